// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a story is about, before it is told: who, where, what for and which numbers. Decides what training never sees.
//
// A character and a want, a character and a place, a want and a place: about one pair in twelve of each kind is held out, by a
// hash of the two ids. In a training story no two of the things it mentions are such a pair; in a held-out story at least one is.
#include <cstdint>
#include <string>
#include <vector>

#include "base/rng.h"
#include "text/stories_world.h"

namespace spectra::text {

/// Position in the tables: the characters are he, she of each family in order; the wants are things, skills, projects, errands,
/// mysteries, treats, contests in this order.
using Id = int;
enum class WantKind { thing, skill, project, errand, mystery, treat, contest };
Id want_id(WantKind kind, int row);
int want_count(WantKind kind);
int character_count();
std::string character_name(Id character);
inline const Family& family_of(Id character) { return families()[static_cast<size_t>(character / 2)]; }
inline bool is_he(Id character) { return character % 2 == 0; }
inline bool is_child(Id character) { return family_of(character).plural.empty(); }

bool held_out_character_want(Id character, Id want);
bool held_out_character_place(Id character, Id place);
bool held_out_want_place(Id want, Id place);
/// a + b = b + a and both subtractions that undo it.
bool held_out_sum(int a, int b);
/// Training says of some characters only what they are: home and food must be found from the family.
bool held_out_home_and_food(Id character);
/// Training says how to get there, but never which way leads back.
bool held_out_way_back(Id place);
/// Training tells what day follows the one before `day`, never what day precedes `day`.
bool held_out_day_before(int day);
/// Training names b as the opposite of a, never a as that of b.
bool held_out_reverse_opposite(int row);

/// Everything with an id that a text speaks of.
struct Mentions {
  std::vector<Id> characters, wants, places;
};
/// Two of them are a held-out pair.
bool has_held_out_pair(const Mentions& mentions);

/// A question about the world with its answer as a sentence without its full stop: "Mice eat" + "cheese".
struct Question {
  std::string question, start, answer;
  std::vector<std::string> wrong;  ///< other answers of the same kind
  Mentions mentions;
  bool held_out;
};
enum class Topic { kinds, characters, places, days, opposites, colors, sums };
inline constexpr int kTopics = 7;
const std::vector<Question>& questions(Topic topic);

enum class Plot { lost, bought, quarrel, gift, learn, build, contest, rescue, storm, mystery, share, visit };
inline constexpr int kPlots = 12;

struct Plan {
  Plot plot{};
  Id hero{}, companion{}, place{};  ///< companion: the friend
  int want_row{};                   ///< in the table of the plot's WantKind
  int treat{};                      ///< row, where the plot needs food besides
  bool names_sibling{};             ///< the opening tells who is the brother or sister of the hero
  int weather{}, day{};
  int a{}, b{}, out{};  ///< a + b; out is taken away from the sum; at least 1 is left
  const Question* question = nullptr;
  Mentions mentions;
};
WantKind want_kind(Plot plot);
Plan make_plan(Rng& rng, bool held_out);

}  // namespace spectra::text
