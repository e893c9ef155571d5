// SPDX-License-Identifier: Apache-2.0
// What all stories share: how they open, how friends meet, the question game, how they end.
#include "text/stories_grammar.h"

namespace spectra::text {

namespace {

constexpr Rule kShared[] = {
    // Openings. Those of the first group leave the day open, the last one has named it (see {when}).
    {"opening_once",
     R"([Once there was|There once was|Once upon a time there was] a {traits} [|little] {kind} [named|called] {hero}.
        {habit} {lived} {eats})"},
    {"opening_was", R"({hero} was a {traits} [|little|young] {kind}. {habit} {lived} {eats})"},
    {"opening_home",
     R"(In the {home}, {home_dir} of the village, lived a {traits} [|little|young] {kind} [named|called] {hero}. {habit} {eats})"},
    {"opening_friends", R"({hero_full} and {friend_full} were {bond}.
        [{hero} was {trait}, and {friend} was {ftrait}.|They [saw each other|played together] almost every day.|One was {trait}, and the other was {ftrait}.])"},
    {"opening_day", R"(It was a {weather_adj} {day} {time}. {weather_line} {hero}, a {traits} [|little|young] {kind},
        [had just eaten breakfast|was looking out of the window|could not sit still|was full of plans|was already up]. {lived} {eats})"},

    // Facts about the hero.
    {"lived", R"([{he} lived in the {home}.|{he} lived in the {home}, {home_dir} of the village.|{his} home was the {home}.|
        Like all {family}, {he} lived in the {home}.])"},
    {"lived_child", R"([{he} lived in the {home}.|{he} lived in the {home}, {home_dir} of the village.|{his} home was the {home}.|
        {his} family lived in the {home}.])"},
    {"eats_child", R"([{he} loved {food}.|{his} favorite food was {food}.|{he} [liked|loved] nothing better than {food}.|
        Like everybody in the {home}, {he} loved {food}.])"},
    {"friend_eats", R"({friend} even ate some {ffood}[, and that was a good sign|].)"},
    {"eats", R"([{he} loved {food}.|{his} favorite food was {food}.|{he} [liked|loved] nothing better than {food}.|
        {he} ate {food}, as all {family} do.])"},
    {"kin", R"([{he} had a {sibling} named {sibling_name}.|{sibling_name} was {his} {sibling}.])"},
    {"yesterday", R"([The day before had been {day0}.|Yesterday had been {day0}.])"},

    // Going there and coming home.
    {"go", R"({when} {hero} [went|walked|set off|hurried] {to}. {weather} [{sight}|] {encounter})"},
    {"go_both", R"({when} {hero} and {friend_first} [went|walked|set off] {to} together. {weather} [{sight}|])"},
    {"where", R"([The {place} was {dir} of the village.|To get to the {place}, one had to walk {dir} from the village.])"},
    {"walk_back", R"([Then {hero} walked {back} again, home to the village.|To get home to the village, {hero} walked {back}.])"},
    {"walk_back_both", R"([Then they walked {back} again, home to the village.|Side by side they walked {back} to the village.])"},

    // A friend comes.
    {"meet",
     R"([[Just then|Soon|After a while|At that moment] {friend_first} came [by|along|around the corner][, humming a song| with a big basket| and stopped beside {hero}|].|{friend_first} had [seen|heard] {hero} from far away and came [over|closer].|
        [Then|By and by] {hero} met {friend_first}[, who was on the way home| on the path|].])"},
    {"ask_trouble",
     R"("[What is the matter|What is wrong|Why do you look so sad|What has happened|Can I help you][|, {hero}|, dear {hero}]?" asked {friend} [|kindly|softly].)"},
    {"offer",
     R"("[Do not worry, I will help you|Two heads are better than one|Let us try it together|That is what friends are for|We will manage it together][|, {hero}],"
        said {friend} <manner>.)"},
    {"thanks", R"(["Thank you, {friend}!" [cried|said] {hero}. ["You are a true friend."|]|
        "I could not have done it without you, {friend}," said {hero} <manner>.|{hero} [thanked {friend}|hugged {friend}|thanked {friend} with all {his} heart].|
        "You are the best friend in the world, {friend}," said {hero} <manner>.])"},
    {"welcome",
     R"("[You would have done the same for me|It was nothing|It was fun|Any time][|, {hero}]," [said|answered] {friend}<manner>. )"},
    {"manner", R"([|| with a smile| and [nodded|smiled|laughed]| [softly|quietly|warmly]])"},
    {"sad",
     R"([{hero} sat down {spot2} and [sighed|cried|hung {his} head].|{hero} [felt|was] very sad.|{hero} sat down and [sighed|cried].|A tear ran down {his} nose.|{hero} stood there and did not know what to do.|{his} heart was heavy.])"},
    {"glad",
     R"([{hero} was so happy that {he} [jumped up and down|laughed out loud|danced on the spot].|{hero} was [very happy|full of joy].|
        {hero} smiled from ear to ear and [looked at|winked at|danced around] {friend}.])"},

    // The question game. A question knows its whole answer and its short one.
    {"quiz_game", R"([To pass the time|For fun|Meanwhile], they played the question game. "{question}" asked {friend}.
        ["{Answer}," [said|answered] {hero}.|"{Short}!" [called|cried] {hero}.|{hero} thought for a moment. "{Answer}," {he} said.]
        ["Right!" said {friend}.|"Quite right," said {friend}.|"That is right," said {friend}.|{friend} nodded.])"},
    {"quiz_teacher",
     R"(An old [teacher|woman|shepherd] sat by the road and asked everybody a question. "{question}" ["{Answer}," [said|answered] {hero}.|"{Short}!" said {hero}.] "[Well done|Quite right|Very good]!" [And {hero} walked on.|{hero} was proud and walked on.|Then {hero} walked on.])"},

    // Endings that fit everywhere.
    {"end_both", R"([|{walk_back_both}|{hero} and {friend} [laughed|smiled|sang] all the way home [from the {place}|].|
        When {hero} said good night, {friend} [said|answered], "[See you|Until] tomorrow!"|For {hero} and {friend}, it was the best {last_day} in a long time.|
        That [night|evening], both of them slept [well|soundly|like stones].|And so {hero} and {friend} stayed friends.])"},
    {"end_peace", R"([|They [laughed|smiled] and [laughed|hugged each other].|And so they stayed friends.|
        That [night|evening], both of them slept [well|soundly|like stones].|It was good to be friends again.])"},
    {"end_one",
     R"([|{walk_back}|It was the best {last_day} in a long time.|That [night|evening], {hero} slept [well|soundly|like a stone].|
        {hero} [thought|dreamed] of {friend} and the {place} [for a long time|the whole night].|{supper}])"},
    {"supper", R"([In the evening|At home], {hero} [had {food} for supper|ate {food} and went to bed].)"},
};

}  // namespace

std::span<const Rule> shared_rules() { return kShared; }

}  // namespace spectra::text
