// SPDX-License-Identifier: Apache-2.0
// Stories about a thing: it is lost, bought, fought over, given.
#include "text/stories_grammar.h"

namespace spectra::text {

namespace {

constexpr Rule kThingPlots[] = {
    // Lost: the way it was lost gives the moral.
    {"lost", R"({opening} {hero} had a {colour} {thing}<treasure>
        <p> {when} {hero} took the {thing} {to}. {weather} [{sight}|] [<lost_hole>|<lost_play>|<lost_weather>])"},
    {"treasure", R"([.|, and {he} loved it very much.|. It was a present from {his} [grandmother|grandfather|uncle|aunt].|
        that {he} had [made|found|bought] all by {himself}.|, and {he} took it everywhere.|. There was no other like it in the village.])"},
    {"lost_hole", R"([On the way|As {he} walked along], {he} [hummed|sang] a [little|merry|happy] song.
        {he} did not know that there was a hole in {his} bag. When {he} looked inside, the {thing} was gone!
        <lost_search> <lost_found>
        <p> [At home|Back home|That evening], {hero} [sewed up|mended] the hole with [strong|thick|good] thread.
        ["A small hole can make a big trouble," {he} said.|After that, nothing fell out again.|Then {he} {used}.])"},
    {"lost_play", R"({he} put the {thing} down [to watch a {critter}|to run after a {critter}|to talk to a {critter}|
        to pick up a [shiny|round|smooth] stone|to drink some water], and then {he} forgot all about it.
        When {he} [thought of it again|came back], the {thing} was gone! <lost_search> <lost_found>
        <p> [From that day on|After that], {hero} always looked [twice|around] before {he} left a place. [Then {he} {used}.|])"},
    {"lost_weather", R"({mishap} <lost_search> <lost_found>
        <p> ["Next time I will hold it with all my strength," said {hero}.|
        "I should have left it at home in such weather," said {hero}.|] [<end_one>|Back home, {hero} {used}.])"},
    {"lost_search", R"(<p> {hero} looked {spot2}[. It was not there.|, but there was nothing but {junk}.| and found only {junk}.]
        [{he} looked {spot3}|Then {he} looked {spot3}|{he} ran and looked {spot3}][, but it was not there either.|. No {thing}!|. Nothing!] <sad>)"},
    {"lost_found", R"(<p> <meet> <ask_trouble>
        "[I have lost my {colour} {thing}|My {colour} {thing} is gone|I cannot find my {thing} anywhere][|, {friend}]," [said|sighed] {hero}. <offer>
        [[They looked high and low.|They searched everywhere.|{friend} looked left, and {hero} looked right.]
        [At last|Suddenly|Then] {friend} saw something {colour} {spot}. It was {hero}'s {thing}!|
        "Where did you see it last?" asked {friend}. {hero} thought hard. Then they walked back, step by step, and there, {spot}, lay {hero}'s {colour} {thing}!|
        {friend} climbed onto a stone and looked around. "There is something {colour} {spot}!" {fhe} [called|cried]. {hero} ran, and it was the {thing}!|
        {friend} asked a {critter}, and the {critter} showed them the way. {Spot} lay the {thing}!|
        {hero} had given up all hope. But {friend} looked {spot}, and there lay {hero}'s {thing}!] <glad> <thanks> [<welcome>|])"},

    // Bought: some coins are missing, and there are several ways to come by them.
    {"bought", R"({opening} <p> <go> A {seller} had [put up a table|opened a little stand|unpacked two big bags] there, and
        [among the things|in the middle|between old pots] was a {colour} {thing}.
        [{hero} wanted the {colour} {thing} at once.|"Oh, how beautiful!" said {hero}.|{hero} could not look away.|{hero} wanted that {thing} more than anything.]
        "[How much is the {thing}|What does the {thing} cost]?" {he} asked. "{N_sum} coins," said the {seller}.
        {hero} [counted {his} money|turned {his} bag inside out]. {He} had only {coins_a}. <coins_missing>
        <p> [<coins_job>|<coins_seller>|<coins_lent>])"},
    {"coins_missing", R"([{n_sum} take away {n_a} is {n_b}, so {he} needed {n_b} more.|{he} needed {n_b} more. <sad>|
        "Then I need {n_b} more," said {hero}.])"},
    {"coins_job",
     R"(<meet> "[I have to {job}, and I am so tired|I have to {job}, and I cannot do it alone|My back hurts, and I still have to {job}],"
        said {friend}. "If you help me, you will get {coins_b}." {hero} {job_past} [until the sun went down|all day long|without a break].
        [{he} was tired, but {he} did not give up.|It was hard work.|] Then {friend} gave {him} {coins_b}. <coins_enough>
        <p> {hero} ran back to the {seller} and bought the {thing}. [At home|That evening], {he} {used}. [<coins_moral>|])"},
    {"coins_seller", R"(["Can you {job}?" asked|"I need somebody to {job}," said] the {seller}. "I pay {coins_b}." [{hero} could.|
        "Of course I can!" said {hero}.] So {he} {job_past}, and {friend_first} came and helped {him}, because it was so much.
        The {seller} was pleased and gave {him} {coins_b}. <coins_enough> <p> So {hero} got the {colour} {thing}. <thanks>
        [They shared it and played with it for many days.|"You may have it every {day}," {he} told {friend}.] [<coins_moral>|])"},
    {"coins_lent", R"(<meet> <ask_trouble> "I [want|would like] to buy that {thing}, but I need {n_b} more coins," said {hero}.
        {friend} [looked into a small bag|felt in a pocket] and found {coins_b}. "Take them," said {friend}. "You can give them back [one day|later]."
        <coins_enough> <p> {hero} bought the {thing}. <glad> But {he} did not forget what {he} owed.
        On {day2} {he} {job_past} for a neighbor, and on {day3} {he} gave {friend} {coins_b} back. [<welcome>|"A promise is a promise," {he} said.])"},
    {"coins_enough",
     R"([Now {hero} had {n_sum} coins, because {n_a} and {n_b} make {n_sum}.|{n_a} and {n_b} make {n_sum}, so it was enough!|
        {hero} had {coins_a}, and {n_b} more made {n_sum}.])"},
    {"coins_moral", R"([What you have worked for is worth twice as much.|Never had a {thing} been so well earned.|
        It was only a {thing}, but {hero} had earned it.])"},

    // Fought over: two want one thing.
    {"quarrel",
     R"({opening} <p> <go_both> [{Spot}|There, {spot},] [lay|they found] a {colour} {thing}. [Somebody must have lost it long ago.|]
        "I saw it first!" [cried|said] {hero}. "No, I did!" [cried|said] {friend}.
        [Both of them pulled at the {thing}.|{hero} pulled on one side, and {friend} pulled on the other.|{hero} and {friend} pulled and shouted.]
        <p> [<quarrel_mud>|<quarrel_bird>|<quarrel_alone>|<quarrel_owner>])"},
    {"quarrel_mud",
     R"([Then it slipped away and fell into the mud.|Then there was a splash, and the {thing} lay in a puddle of mud.]
        Now [it was not {colour} any more, but brown|nobody could see that it was {colour}]. [Both were ashamed.|They looked at each other and felt foolish.]
        "I am sorry, {friend}," said {hero}. "So am I, {hero}," said {friend}. Together they washed the {thing} until it was {colour} again. <quarrel_share>)"},
    {"quarrel_bird",
     R"([Suddenly|While they were shouting], a [magpie|jackdaw|crow] swooped down, took the {thing}, and [carried it off|flew up with it].
        [{hero} and {friend} stopped shouting.|Now neither of them had it.] "This comes of our quarrel," said {friend}. "Let us get it back [together|]."
        {hero} held up [something shiny|a piece of bread|a shiny spoon], and {friend} [waited quietly|kept very still]. The bird came down to look and dropped the {thing}. <quarrel_share>)"},
    {"quarrel_alone",
     R"({hero} was stronger and got the {thing}. {friend} [turned around and went away|said nothing and walked off].
        {hero} {used}, but [after a while it was no fun|it was no fun alone]. [It was quiet.|Nobody laughed with {him}.]
        On {day2} {hero} went to see {friend}. "I am sorry," {he} said. "[A {thing} is nice, but a friend is nicer|I would rather have you than the {thing}]."
        {friend} [smiled|was not angry any more]. <quarrel_share>)"},
    {"quarrel_owner",
     R"([Then a voice said|Suddenly somebody said behind them], "There it is! I have been looking for my {thing} all day." It was an old {elder}.
        {hero} and {friend} [turned red|looked at the ground|were ashamed]. "[We found it {spot}|We are sorry]," said {friend}, and {hero} gave the {thing} back.
        The old {elder} [laughed|smiled] and took a big cake out of a bag. "[This is easier to share than a {thing}|A cake can be cut in two, but a {thing} cannot]," said the old {elder}.
        {hero} cut it, and {friend} chose. <end_peace>)"},
    {"quarrel_share", R"(<p> ["You take it on {day}, and I take it on {day2}," said {hero}.|"Let us take turns," said {friend}.|
        "From now on it belongs to both of us," said {hero}.] [And that is what they did.|And so it was.|They never fought about it again.]
        [To share is better than to win.|Half a joy together is more than a whole one alone.|] <end_peace>)"},

    // Given: a birthday is tomorrow.
    {"gift",
     R"({opening} <p> It was {day}, and [on {day2} it was {friend_first}'s birthday|{friend_first} had a birthday the next day, on {day2}]. {yesterday}
        [{hero} wanted to give {friend} a {thing}.|"I will give {friend} a {thing}," said {hero}.|"What {friend} needs is a {thing}," thought {hero}.] [But where could {he} find one?|But it had to be a {colour} one.]
        <p> {hero} went {to} to look for one. {weather} [{sight}|] [<gift_trade>|<gift_make>|<gift_own>] <p> <gift_party>)"},
    {"gift_trade",
     R"(There {he} met an old {elder} who was carrying a heavy [basket|sack|box]. "May I carry that for you?" asked {hero}.
        [It was a long way.|They walked and walked.] At the door, the old {elder} said, "You are [kind|good]. What can I give you?"
        "[Do you have a {thing}|Is there a {thing} in your house]?" asked {hero}. And there was one, and it was {colour}!)"},
    {"gift_make",
     R"({he} found no {thing}, but {spot} {he} found [some wood and some cloth|some old things that nobody wanted|everything {he} needed to make one].
        {hero} worked [all evening|until midnight]. [It went wrong once, and it went wrong twice.|First it was crooked, then it was straight.]
        At last the {thing} was [done|finished], and {he} painted it {colour}.)"},
    {"gift_own", R"({he} looked {spot} and {spot2}, but there was no {thing}. Then {hero} thought of {his} own {colour} {thing}.
        [{he} loved it very much.|It was {his} dearest thing.] {he} thought about it [for a long time|all the way home]. "[{friend} will like it even more than I do|
        A friend is worth it]," {he} said at last.)"},
    {"gift_party", R"(On {day2} all the friends came. [<candles>|There was a cake with candles.|There were songs and games.]
        {friend} opened the [box|paper|parcel]. "A {colour} {thing}! [Just what I wanted!|How did you know?]" {fhe} cried.
        [{friend} was so happy that {hero} was happy, too.|"The best part is to see you smile," said {hero}.|
        Then {friend} put down the {thing} and hugged {hero}, and they ate cake until they could eat no more.] [To give is as sweet as to get.|They sang until it was dark.|It was the best {day2} in a long time.|])"},
    {"candles",
     R"([On the left side of the cake stood {candles_a}, and on the right stood {n_b} more. {n_a} plus {n_b} is {n_sum}, and {friend} was {n_sum} years old.|
        {hero} put {candles_a} on the cake and then {n_b} more. That made {n_sum}, one for each year.])"},
};

}  // namespace

std::span<const Rule> thing_plots() { return kThingPlots; }

}  // namespace spectra::text
