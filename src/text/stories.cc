// SPDX-License-Identifier: Apache-2.0
#include "text/stories.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "text/stories_expand.h"
#include "text/stories_plan.h"

namespace spectra::text {

namespace {

constexpr std::string_view kPlotRules[kPlots] = {"lost",    "bought", "quarrel", "gift",    "learn", "build",
                                                 "contest", "rescue", "storm",   "mystery", "share", "visit"};
constexpr size_t kFewestWords = 60, kMostWords = 200;

std::string number(int n) { return std::string(kNumbers[static_cast<size_t>(n)]); }
std::string counted(int n, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", number(n), n == 1 ? one : many);
}

template <class Table>
const auto& row_of(const Table& table, int row) {
  return table[static_cast<size_t>(row)];
}

/// Turns a plan into the slots of the grammar; small choices that must stay the same within a story are drawn here.
class Teller {
 public:
  Teller(const Plan& plan, bool held_out, Rng& rng) : plan_(plan), held_out_(held_out), rng_(rng) {}

  Slots slots() {
    set_people();
    set_place();
    set_days();
    set_numbers();
    set_extras();
    set_want();
    set_facts();
    set_opening();
    return std::move(slots_);
  }

 private:
  void set(std::string_view name, std::string_view value) { slots_.emplace(name, value); }
  bool one_in(uint64_t n) { return rng_.below(n) == 0; }
  bool told(bool secret) const { return held_out_ || !secret; }
  template <class Table>
  std::string_view pick(const Table& table) {
    return table[rng_.below(std::size(table))];
  }

  void set_person(Id id, std::string_view prefix) {
    const Family& family = family_of(id);
    const bool he = is_he(id);
    const auto name = [&](std::string_view word) { return fmt::format("{}{}", prefix, word); };
    set(name("he"), he ? "he" : "she");
    set(name("him"), he ? "him" : "her");
    set(name("his"), he ? "his" : "her");
    set(name("himself"), he ? "himself" : "herself");
    set(name("kind"), he ? family.kind_he : family.kind_she);
    set(name("home"), family.home);
    set(name("home_dir"), family.direction);
    set(name("food"), family.food);
    const Pair& temper = tempers()[rng_.below(tempers().size())];
    const Pair& virtue = virtues()[rng_.below(virtues().size())];
    const Pair& trait = one_in(2) ? temper : virtue;
    set(name("trait"), trait.a);
    set(name("traits"), one_in(2) ? std::string(trait.a) : fmt::format("{} {} {}", temper.a, one_in(2) ? "and" : "but", virtue.a));
    set(name("habit"), one_in(2) ? trait.b : "");
  }

  void set_people() {
    set_person(plan_.hero, "");
    set_person(plan_.companion, "f");
    const auto full = [](Id id) {
      return is_child(id)
                 ? character_name(id)
                 : fmt::format("{} the {}", character_name(id), is_he(id) ? family_of(id).kind_he : family_of(id).kind_she);
    };
    const bool siblings = plan_.hero / 2 == plan_.companion / 2;
    set("bond", siblings ? "brother and sister" : "[good|best|old] friends");
    set("hero", character_name(plan_.hero));
    set("friend", character_name(plan_.companion));
    set("hero_full", full(plan_.hero));
    set("friend_full", full(plan_.companion));
    set("family", family_of(plan_.hero).plural);
    set("sibling", is_he(plan_.hero) ? "sister" : "brother");
    set("sibling_name", character_name(plan_.hero ^ 1));
  }

  void set_place() {
    const Place& place = row_of(places(), plan_.place);
    set("place", place.noun);
    set("at", fmt::format("{} the {}", place.in, place.noun));
    set("to", fmt::format("to the {}", place.noun));
    set("dir", place.direction);
    const auto direction = std::find(std::begin(kDirections), std::end(kDirections), place.direction) - std::begin(kDirections);
    set("back", kDirections[(direction + 2) % 4]);
    const size_t first = rng_.below(4), step = one_in(2) ? 1 : 3;  // both steps visit all four places
    set("spot", place.spots[first]);
    set("spot2", place.spots[(first + step) % 4]);
    set("spot3", place.spots[(first + 2 * step) % 4]);
    set("sight", pick(place.sights));
    set("rescue_here", (place.features & kWater) != 0   ? "<rescue_water>"
                       : (place.features & kTrees) != 0 ? "<rescue_tree>"
                                                        : "<rescue_hole>");
  }

  void set_days() {
    const auto day = static_cast<size_t>(plan_.day);
    set("day0", kDays[(day + 6) % 7]);
    set("day", kDays[day]);
    set("day2", kDays[(day + 1) % 7]);
    set("day3", kDays[(day + 2) % 7]);
    const bool next_day = plan_.plot == Plot::contest || plan_.plot == Plot::mystery;
    set("last_day", plan_.plot == Plot::learn ? "{day3}" : next_day ? "{day2}" : "{day}");
    set("time", one_in(2) ? "morning" : "afternoon");
    const Weather& weather = row_of(weathers(), plan_.weather);
    set("weather_adj", weather.adjective);
    set("weather_line", pick(weather.lines));
    set("mishap", weather.mishap);
  }

  void set_numbers() {
    const int sum = plan_.a + plan_.b, left = sum - plan_.out;
    const Treat& treat = row_of(treats(), plan_.treat);
    const std::pair<std::string_view, int> all[] = {
        {"a", plan_.a}, {"b", plan_.b}, {"sum", sum}, {"out", plan_.out}, {"left", left}};
    for (const auto& [name, value] : all) {
      set(fmt::format("n_{}", name), number(value));
      set(fmt::format("coins_{}", name), counted(value, "coin", "coins"));
      set(fmt::format("candles_{}", name), counted(value, "candle", "candles"));
      set(fmt::format("treats_{}", name), counted(value, treat.one, treat.many));
    }
    set("treats", treat.many);
    set("got", treat.got);
    set("left_was", left == 1 ? "was" : "were");
    set("left_is", left == 1 ? "is" : "are");
    set("some", number(3 + static_cast<int>(rng_.below(7))));
  }

  void set_extras() {
    static constexpr std::string_view kCritters[] = {"butterfly", "beetle", "snail", "ladybug", "lizard", "grasshopper"};
    static constexpr std::string_view kJunk[] = {"an old shoe", "a sleepy snail",  "a rusty nail",
                                                 "a few ants",  "a broken bottle", "an empty nest"};
    static constexpr std::string_view kSellers[] = {"peddler", "trader", "merchant", "toymaker"};
    set("elder", one_in(2) ? "woman" : "man");
    set("critter", pick(kCritters));
    set("junk", pick(kJunk));
    set("seller", pick(kSellers));
    const Pair& job = row_of(jobs(), static_cast<int>(rng_.below(jobs().size())));
    set("job", job.a);
    set("job_past", job.b);
  }

  void set_want() {
    const int row = plan_.want_row;
    switch (want_kind(plan_.plot)) {
      case WantKind::thing: {
        const Thing& thing = row_of(things(), row);
        set("thing", thing.noun), set("colour", thing.colour), set("used", thing.used);
        break;
      }
      case WantKind::skill: {
        const Skill& skill = row_of(skills(), row);
        set("skill", skill.verb), set("skill_past", skill.past), set("fail", skill.fail), set("tip", skill.tip);
        set("success", skill.success);
        break;
      }
      case WantKind::project: {
        const Project& project = row_of(projects(), row);
        set("make", project.verb), set("made_done", project.verb_past), set("project", project.noun), set("joy", project.joy);
        set("part1", project.parts[0]), set("part2", project.parts[1]), set("part3", project.parts[2]);
        break;
      }
      case WantKind::errand:
        set("errand", row_of(errands(), row).verb), set("errand_past", row_of(errands(), row).past);
        break;
      case WantKind::mystery: {
        const Mystery& mystery = row_of(mysteries(), row);
        set("sense", mystery.heard ? "heard" : "saw"), set("sense_past", mystery.heard ? "heard" : "seen");
        set("sign", mystery.sign), set("guess", mystery.guess), set("truth", mystery.truth), set("remedy", mystery.remedy);
        break;
      }
      case WantKind::contest: {
        const Contest& contest = row_of(contests(), row);
        set("contest", contest.noun), set("practice", contest.practice), set("trouble", contest.trouble), set("help", contest.help);
        const bool race = contest.noun.find("race") != std::string_view::npos;
        set("contest_begins", race ? "<race_begins>" : "<show_begins>");
        set("contest_end", race && one_in(3) ? "<contest_steady>" : "<contest_help>");
        break;
      }
      case WantKind::treat:
        break;
    }
  }

  void set_facts() {
    const bool home = told(held_out_home_and_food(plan_.hero));
    const bool child = is_child(plan_.hero);
    set("lived", plan_.names_sibling ? "<kin>" : home && !one_in(3) ? (child ? "<lived_child>" : "<lived>") : "");
    set("eats", home && one_in(2) ? (child ? "<eats_child>" : "<eats>") : "");
    set("supper", home && one_in(2) ? "<supper>" : "");
    set("friend_eats", told(held_out_home_and_food(plan_.companion)) ? "<friend_eats>" : "");
    const bool back = told(held_out_way_back(plan_.place));
    set("walk_back", back ? "<walk_back>" : "");
    set("walk_back_both", back ? "<walk_back_both>" : "");
    set("back_hint", back ? "\"So we must walk {back}!\"" : "");
    set("where", one_in(2) ? "<where>" : "");
    set("yesterday", one_in(2) && told(held_out_day_before(plan_.day)) ? "<yesterday>" : "");
    const Question& question = *plan_.question;
    set("question", question.question);
    const std::string_view start = question.start;
    set("short", start.ends_with(" in the") ? "in the " + question.answer : question.answer);
    set("answer", fmt::format("{} {}", question.start, question.answer));
    set("quiz", one_in(2) ? "<quiz_game>" : "");
    set("encounter", one_in(4) ? "<quiz_teacher>" : "");
  }

  void set_opening() {
    // These plots name the day themselves.
    const bool timeless = plan_.plot == Plot::gift || plan_.plot == Plot::mystery || plan_.plot == Plot::visit;
    const bool day = !timeless && one_in(4);
    const bool friends = !day && one_in(4);
    const bool home = told(held_out_home_and_food(plan_.hero)) && one_in(3);
    set("opening", day         ? "<opening_day>"
                   : friends   ? "<opening_friends>"
                   : home      ? "<opening_home>"
                   : one_in(2) ? "<opening_once>"
                               : "<opening_was>");
    if (home && !day && !friends) slots_["lived"] = "";
    const bool siblings = plan_.hero / 2 == plan_.companion / 2;
    const std::string relation = siblings ? (is_he(plan_.companion) ? "brother" : "sister") : "friend";
    const std::string named = fmt::format("{{his}} {} {{friend}}", relation);
    set("friend_first", friends ? "{friend}" : siblings || is_child(plan_.companion) || one_in(3) ? named : "{friend_full}");
    set("when", day ? "That {time}," : one_in(2) ? "One {weather_adj} {day} {time}," : "One {day} {time},");
    set("weather", day || one_in(3) ? "" : "{weather_line}");
  }

  const Plan& plan_;
  bool held_out_;
  Rng& rng_;
  Slots slots_;
};

size_t words(std::string_view text) {
  return 1 + static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return c == ' ' || c == '\n'; }));
}

}  // namespace

std::string story(uint64_t seed, uint64_t index, bool held_out) {
  Rng rng(seed, index * 2 + (held_out ? 1 : 0));
  while (true) {
    const Plan plan = make_plan(rng, held_out);
    const Slots slots = Teller(plan, held_out, rng).slots();
    std::string text = tidy(expand(find_rule(kPlotRules[static_cast<int>(plan.plot)]), slots, rng));
    const size_t length = words(text);
    if (length >= kFewestWords && length <= kMostWords) return text;
  }
}

}  // namespace spectra::text
