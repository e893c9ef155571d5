// SPDX-License-Identifier: Apache-2.0
#pragma once
// The sentences of the stories, in the language of stories_expand.h. Slots that every story sets (stories.cc):
//   {hero} {kind} {trait} {traits} {habit} {he} {him} {his} {himself}   the hero: Pip, mouse, cheerful, "shy but kind", a sentence
//   on that (or nothing), he, him, his, himself {hero_full}           "Pip the mouse", or only "Tom" for a child {friend} {fhe} ...
//   the same for the friend; {friend_first} where the friend enters the story: "Nell the mouse", "his sister Mia" {opening}
//   introduces the hero, and the friend in some; {when} "One windy Monday morning," or "That morning," {place} {at} {to}     the
//   forest, in the forest, to the forest; {dir} {back} north, south; {spot} {spot2} {spot3} "under a fern" {sight} {weather}     a
//   sentence about the place, about the weather (or nothing) {day} {day2} {day3}   Monday, Tuesday, Wednesday {lived} {eats}
//   {walk_back} {quiz} facts of the world, empty where this split must not tell them {n_a} {n_b} {n_sum} {n_out} {n_left}   number
//   words: a + b = sum, sum - out = left; {coins_a} ... and {treats_a} ... counted nouns
// and one group for the want: {thing} {colour} {used}, {skill} ..., {project} ..., {errand}, {treat} ... .
#include <span>

#include "text/stories_expand.h"

namespace spectra::text {

std::span<const Rule> shared_rules();  ///< openings, weather, meetings, quizzes, endings
std::span<const Rule> thing_plots();   ///< lost, bought, fought over, given
std::span<const Rule> deed_plots();    ///< learning, building, contests, rescue
std::span<const Rule> day_plots();     ///< storm, mystery, sharing, visit

}  // namespace spectra::text
