// SPDX-License-Identifier: Apache-2.0
// The world as questions with answers: the stories ask them, and so does a test of a trained model.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "text/stories.h"
#include "text/stories_expand.h"
#include "text/stories_plan.h"

namespace spectra::text {

namespace {

/// Three other answers of the same kind: the next ones after and the one before `answer` in `pool`, around its ends.
std::vector<std::string> others(const std::vector<std::string>& pool, const std::string& answer) {
  const auto at = static_cast<size_t>(std::find(pool.begin(), pool.end(), answer) - pool.begin());
  const size_t size = pool.size();
  return {pool[(at + 1) % size], pool[(at + size - 1) % size], pool[(at + 2) % size]};
}

class Asker {
 public:
  void add(std::string question, std::string start, std::string answer, const std::vector<std::string>& pool,
           Mentions mentions = {}, bool held_out = false) {
    auto wrong = others(pool, answer);
    all.push_back({std::move(question), std::move(start), std::move(answer), std::move(wrong), std::move(mentions), held_out});
  }
  std::vector<Question> all;
};

/// The distinct values of one column of a table.
template <class Rows, class Column>
std::vector<std::string> column(const Rows& rows, Column field) {
  std::vector<std::string> values;
  for (const auto& row : rows)
    if (std::find(values.begin(), values.end(), row.*field) == values.end()) values.emplace_back(row.*field);
  return values;
}

struct FamilyAnswers {
  std::vector<std::string> homes = column(families(), &Family::home), foods = column(families(), &Family::food);
};

void ask_kinds(Asker& asker) {
  const auto [homes, foods] = FamilyAnswers();
  for (const Family& family : families()) {
    if (family.plural.empty()) continue;
    asker.add(fmt::format("What do {} eat?", family.plural), fmt::format("{} eat", family.plural), std::string(family.food), foods);
    asker.add(fmt::format("Where do {} live?", family.plural), fmt::format("{} live in the", family.plural),
              std::string(family.home), homes);
  }
}

void ask_characters(Asker& asker) {
  const auto [homes, foods] = FamilyAnswers();
  for (Id character = 0; character < character_count(); ++character) {
    const Family& family = family_of(character);
    const std::string name = character_name(character), other = character_name(character ^ 1);
    const bool secret = held_out_home_and_food(character);
    asker.add(fmt::format("Where does {} live?", name), fmt::format("{} lives in the", name), std::string(family.home), homes,
              {{character}, {}, {}}, secret);
    asker.add(fmt::format("What does {} like to eat?", name), fmt::format("{} likes to eat", name), std::string(family.food), foods,
              {{character}, {}, {}}, secret);
    const bool he = is_he(character);
    asker.add(fmt::format("Who is {}'s {}?", name, he ? "sister" : "brother"),
              fmt::format("{}'s {} is", name, he ? "sister" : "brother"), other,
              column(families(), he ? &Family::she : &Family::he), {{character, character ^ 1}, {}, {}});
  }
}

void ask_places(Asker& asker) {
  const std::vector<std::string> directions(std::begin(kDirections), std::end(kDirections));
  for (Id place = 0; place < static_cast<Id>(places().size()); ++place) {
    const Place& row = places()[static_cast<size_t>(place)];
    const auto direction = std::find(directions.begin(), directions.end(), row.direction) - directions.begin();
    asker.add(fmt::format("Where is the {}?", row.noun), fmt::format("The {} is", row.noun), std::string(row.direction), directions,
              {{}, {}, {place}});
    asker.add(fmt::format("How do you get from the {} to the village?", row.noun), fmt::format("From the {} you walk", row.noun),
              directions[static_cast<size_t>(direction + 2) % 4], directions, {{}, {}, {place}}, held_out_way_back(place));
  }
}

void ask_days(Asker& asker) {
  const std::vector<std::string> days(std::begin(kDays), std::end(kDays));
  for (size_t day = 0; day < days.size(); ++day) {
    asker.add(fmt::format("What day comes after {}?", days[day]), fmt::format("After {} comes", days[day]), days[(day + 1) % 7],
              days);
    asker.add(fmt::format("What day comes before {}?", days[day]), fmt::format("Before {} comes", days[day]), days[(day + 6) % 7],
              days, {}, held_out_day_before(static_cast<int>(day)));
  }
}

void ask_opposites(Asker& asker) {
  auto words = column(opposites(), &Pair::a);
  for (const auto& word : column(opposites(), &Pair::b)) words.push_back(word);
  for (size_t row = 0; row < opposites().size(); ++row) {
    const std::string a(opposites()[row].a), b(opposites()[row].b);
    asker.add(fmt::format("What is the opposite of {}?", a), fmt::format("The opposite of {} is", a), b, words);
    asker.add(fmt::format("What is the opposite of {}?", b), fmt::format("The opposite of {} is", b), a, words, {},
              held_out_reverse_opposite(static_cast<int>(row)));
  }
}

void ask_colors(Asker& asker) {
  const auto colours = column(things(), &Thing::colour);
  for (int row = 0; row < want_count(WantKind::thing); ++row) {
    const Thing& thing = things()[static_cast<size_t>(row)];
    asker.add(fmt::format("What color is the {}?", thing.noun), fmt::format("The {} is", thing.noun), std::string(thing.colour),
              colours, {{}, {want_id(WantKind::thing, row)}, {}});
  }
}

void ask_sums(Asker& asker) {
  const std::vector<std::string> numbers(std::begin(kNumbers), std::end(kNumbers));
  const auto word = [&](int n) { return numbers[static_cast<size_t>(n)]; };
  for (int a = 1; a < kLargestSum; ++a)
    for (int b = 1; a + b <= kLargestSum; ++b) {
      asker.add(fmt::format("What is {} plus {}?", word(a), word(b)), fmt::format("{} plus {} is", word(a), word(b)), word(a + b),
                numbers, {}, held_out_sum(a, b));
      asker.add(fmt::format("What is {} minus {}?", word(a + b), word(b)), fmt::format("{} minus {} is", word(a + b), word(b)),
                word(a), numbers, {}, held_out_sum(a, b));
    }
}

constexpr std::string_view kTopicNames[kTopics] = {"kinds", "characters", "places", "days", "opposites", "colors", "sums"};

}  // namespace

const std::vector<Question>& questions(Topic topic) {
  static const auto* const kQuestions = [] {
    auto* askers = new std::array<Asker, kTopics>;
    constexpr std::array kAsk = {ask_kinds, ask_characters, ask_places, ask_days, ask_opposites, ask_colors, ask_sums};
    for (size_t i = 0; i < kAsk.size(); ++i) kAsk[i]((*askers)[i]);
    return askers;
  }();
  return (*kQuestions)[static_cast<size_t>(topic)].all;
}

std::vector<Fact> world_facts() {
  std::vector<Fact> facts;
  for (size_t topic = 0; topic < kTopics; ++topic)
    for (const Question& question : questions(static_cast<Topic>(topic))) {
      Fact fact{fmt::format("An old teacher sat by the road and asked everybody a question. \"{}\" \"{}", question.question,
                            tidy(question.start)),
                {" " + question.answer},
                question.held_out,
                std::string(kTopicNames[topic])};
      for (const auto& wrong : question.wrong) fact.choices.push_back(" " + wrong);
      facts.push_back(std::move(fact));
    }
  return facts;
}

}  // namespace spectra::text
