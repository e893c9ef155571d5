// SPDX-License-Identifier: Apache-2.0
#pragma once
// The fixed world of the stories as plain tables: who there is, where they live, what they eat, what they may want, and where.
// Everything is true in every story. A row's position is its id, and ids decide what is held out: append, do not insert.
#include <span>
#include <string_view>

namespace spectra::text {

/// Two animals of one kind, or a brother and a sister, in one home.
struct Family {
  std::string_view kind_he, kind_she, plural;  ///< "mouse", "mouse", "mice"; plural is empty for children
  std::string_view home, direction;            ///< "barn": they live in the barn; seen from the village
  std::string_view food;                       ///< what the whole family eats
  std::string_view he, she;                    ///< names
};

/// What a place offers, and what a want needs.
enum Feature : unsigned { kAnywhere = 0, kWater = 1, kTrees = 2, kOpen = 4, kFlowers = 8, kWarm = 16 /* no snow, no rain */ };

struct Place {
  std::string_view noun, in;   ///< "forest", "in": in the forest
  std::string_view direction;  ///< from the village
  unsigned features;
  std::string_view spots[4];   ///< where a thing may lie
  std::string_view sights[3];  ///< what one sees, hears or smells there
};

struct Thing {
  std::string_view noun, colour;
  std::string_view used;  ///< what its owner did with it
};

struct Skill {
  std::string_view verb, past;
  unsigned needs;
  std::string_view fail, tip, success;  ///< sentences; the tip is spoken
};

struct Project {
  std::string_view verb, verb_past, noun;
  unsigned needs;
  std::string_view parts[3];  ///< the third one is missing at first
  std::string_view joy;       ///< what they do with it
};

struct Errand {
  std::string_view verb, past;
  unsigned needs;
};

struct Mystery {
  bool heard;                           ///< or seen
  std::string_view sign, guess, truth;  ///< "a slow knocking", "a giant at the door", "a loose branch tapping on a fence"
  std::string_view remedy;              ///< a sentence: what they do about it
};

struct Treat {
  std::string_view one, many;
  std::string_view got;  ///< "baked": how the hero came by them
};

struct Contest {
  std::string_view noun;      ///< "boat race"
  std::string_view practice;  ///< "sailed a little boat round and round"
  std::string_view trouble;   ///< what stops the friend on the day
  std::string_view help;      ///< what the hero does about it
  unsigned needs;
};

struct Weather {
  std::string_view adjective;
  bool warm;
  std::string_view lines[3];
  std::string_view mishap;  ///< how a {thing} gets lost in it
};

struct Pair {
  std::string_view a, b;
};

std::span<const Family> families();
std::span<const Place> places();
std::span<const Thing> things();
std::span<const Skill> skills();
std::span<const Project> projects();
std::span<const Errand> errands();
std::span<const Mystery> mysteries();
std::span<const Treat> treats();
std::span<const Contest> contests();
std::span<const Weather> weathers();
std::span<const Pair> opposites();
std::span<const Pair> jobs();     ///< "sweep the yard", "swept the yard"
std::span<const Pair> tempers();  ///< a character has one of these; the second text is how it shows
std::span<const Pair> virtues();  ///< and one of those

inline constexpr std::string_view kDays[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};
inline constexpr std::string_view kDirections[] = {"north", "east", "south", "west"};
inline constexpr std::string_view kNumbers[] = {"zero",  "one",   "two",  "three", "four",   "five",  "six",
                                                "seven", "eight", "nine", "ten",   "eleven", "twelve"};
inline constexpr int kLargestSum = 12;

}  // namespace spectra::text
