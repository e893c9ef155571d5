// SPDX-License-Identifier: Apache-2.0
#include "text/stories_plan.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace spectra::text {

namespace {

enum class Secret : uint64_t { character_want, character_place, want_place, sum, home_and_food, way_back, day_before, opposite };

/// One of `rate` pairs (a, b), the same in every build: the hash is Philox under a fixed key.
bool chosen(Secret kind, int a, int b, uint64_t rate) {
  constexpr uint64_t kKey = 137;  // chosen so that small kinds too have held-out members: six sums, five to six homes, two days
  return Rng(kKey, static_cast<uint64_t>(kind)).at(static_cast<uint64_t>(a) * 4096 + static_cast<uint64_t>(b)) % rate == 0;
}

constexpr uint64_t kPairRate = 12;

std::array<size_t, 7> want_sizes() {
  return {things().size(),    skills().size(), projects().size(), errands().size(),
          mysteries().size(), treats().size(), contests().size()};
}

unsigned needs(WantKind kind, int row) {
  const auto i = static_cast<size_t>(row);
  switch (kind) {
    case WantKind::skill:
      return skills()[i].needs;
    case WantKind::project:
      return projects()[i].needs;
    case WantKind::errand:
      return errands()[i].needs;
    case WantKind::contest:
      return contests()[i].needs;
    default:
      return kAnywhere;
  }
}

int draw(Rng& rng, size_t count) { return static_cast<int>(rng.below(count)); }

/// Weather and place suit what is planned.
bool possible(const Plan& plan) {
  const unsigned need = needs(want_kind(plan.plot), plan.want_row);
  const unsigned offers = places()[static_cast<size_t>(plan.place)].features;
  if ((need & ~kWarm & ~offers) != 0) return false;
  const bool warm = weathers()[static_cast<size_t>(plan.weather)].warm;
  const bool needs_warm = (need & kWarm) != 0 || plan.plot == Plot::storm || plan.plot == Plot::rescue;
  return warm || !needs_warm;
}

void draw_numbers(Plan& plan, Rng& rng, bool held_out) {
  do {
    plan.a = 1 + draw(rng, kLargestSum - 1);
    plan.b = 1 + draw(rng, kLargestSum - 1);
  } while (plan.a + plan.b > kLargestSum || (!held_out && held_out_sum(plan.a, plan.b)));
  const int sum = plan.a + plan.b;
  do plan.out = 1 + draw(rng, static_cast<size_t>(sum - 1));
  while (!held_out && held_out_sum(sum - plan.out, plan.out));
}

/// A question that may be asked among `mentions`.
const Question* draw_question(const Mentions& mentions, Rng& rng, bool held_out) {
  while (true) {
    const auto& all = questions(static_cast<Topic>(rng.below(kTopics)));
    const Question& question = all[rng.below(all.size())];
    const Mentions& more = question.mentions;
    // Nobody asks a friend what both of them know best.
    const auto here = [&](Id id) {
      return std::find(mentions.characters.begin(), mentions.characters.end(), id) != mentions.characters.end();
    };
    if (std::any_of(more.characters.begin(), more.characters.end(), here)) continue;
    if (held_out) return &question;
    if (question.held_out) continue;
    Mentions together = mentions;
    together.characters.insert(together.characters.end(), more.characters.begin(), more.characters.end());
    together.wants.insert(together.wants.end(), more.wants.begin(), more.wants.end());
    together.places.insert(together.places.end(), more.places.begin(), more.places.end());
    if (!has_held_out_pair(together)) return &question;
  }
}

}  // namespace

Id want_id(WantKind kind, int row) {
  const auto sizes = want_sizes();
  Id id = row;
  for (size_t before = 0; before < static_cast<size_t>(kind); ++before) id += static_cast<Id>(sizes[before]);
  return id;
}
int want_count(WantKind kind) { return static_cast<int>(want_sizes()[static_cast<size_t>(kind)]); }
int character_count() { return 2 * static_cast<int>(families().size()); }
std::string character_name(Id character) {
  return std::string(is_he(character) ? family_of(character).he : family_of(character).she);
}

bool held_out_character_want(Id character, Id want) { return chosen(Secret::character_want, character, want, kPairRate); }
bool held_out_character_place(Id character, Id place) { return chosen(Secret::character_place, character, place, kPairRate); }
bool held_out_want_place(Id want, Id place) { return chosen(Secret::want_place, want, place, kPairRate); }
bool held_out_sum(int a, int b) { return chosen(Secret::sum, std::min(a, b), std::max(a, b), 6); }
bool held_out_home_and_food(Id character) {
  const int family = character / 2;
  return chosen(Secret::home_and_food, family, 0, 3) && chosen(Secret::home_and_food, family, 1, 2) == is_he(character);
}
bool held_out_way_back(Id place) { return chosen(Secret::way_back, place, 0, 4); }
bool held_out_day_before(int day) { return chosen(Secret::day_before, day, 0, 4); }
bool held_out_reverse_opposite(int row) { return chosen(Secret::opposite, row, 0, 3); }

bool has_held_out_pair(const Mentions& mentions) {
  for (const Id character : mentions.characters) {
    for (const Id want : mentions.wants)
      if (held_out_character_want(character, want)) return true;
    for (const Id place : mentions.places)
      if (held_out_character_place(character, place)) return true;
  }
  for (const Id want : mentions.wants)
    for (const Id place : mentions.places)
      if (held_out_want_place(want, place)) return true;
  return false;
}

WantKind want_kind(Plot plot) {
  switch (plot) {
    case Plot::lost:
    case Plot::bought:
    case Plot::quarrel:
    case Plot::gift:
      return WantKind::thing;
    case Plot::learn:
      return WantKind::skill;
    case Plot::build:
      return WantKind::project;
    case Plot::contest:
      return WantKind::contest;
    case Plot::rescue:
    case Plot::storm:
      return WantKind::errand;
    case Plot::mystery:
      return WantKind::mystery;
    case Plot::share:
    case Plot::visit:
      return WantKind::treat;
  }
  SPECTRA_CHECK(false, "plot {}", static_cast<int>(plot));
  return {};
}

Plan make_plan(Rng& rng, bool held_out) {
  Plan plan;
  plan.plot = static_cast<Plot>(draw(rng, kPlots));
  const WantKind kind = want_kind(plan.plot);
  do {
    plan.hero = draw(rng, static_cast<size_t>(character_count()));
    const bool sibling = rng.below(6) == 0;
    do plan.companion = sibling ? plan.hero ^ 1 : draw(rng, static_cast<size_t>(character_count()));
    while (plan.companion == plan.hero);
    plan.place = draw(rng, places().size());
    plan.want_row = draw(rng, static_cast<size_t>(want_count(kind)));
    plan.treat = kind == WantKind::treat ? plan.want_row : draw(rng, treats().size());
    plan.weather = draw(rng, weathers().size());
    plan.mentions = {{plan.hero, plan.companion}, {want_id(kind, plan.want_row)}, {plan.place}};
    if (plan.plot == Plot::build) plan.mentions.wants.push_back(want_id(WantKind::treat, plan.treat));
  } while (
      !possible(plan) || has_held_out_pair(plan.mentions) != held_out ||
      // A visit tells where the friend lives.
      (plan.plot == Plot::visit && ((!held_out && held_out_home_and_food(plan.companion)) || plan.hero / 2 == plan.companion / 2)));
  Mentions with_sibling = plan.mentions;
  with_sibling.characters.push_back(plan.hero ^ 1);
  plan.names_sibling = rng.below(5) == 0 && (held_out || !has_held_out_pair(with_sibling));
  if (plan.names_sibling) plan.mentions = std::move(with_sibling);
  plan.day = draw(rng, std::size(kDays));
  draw_numbers(plan, rng, held_out);
  plan.question = draw_question(plan.mentions, rng, held_out);
  return plan;
}

}  // namespace spectra::text
