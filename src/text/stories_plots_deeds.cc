// SPDX-License-Identifier: Apache-2.0
// Stories about a deed: learning something, building something, a contest, a rescue.
#include "text/stories_grammar.h"

namespace spectra::text {

namespace {

constexpr Rule kDeedPlots[] = {
    // Learn: it goes wrong, a friend knows a trick, and it takes some days.
    {"learn", R"({opening} [{hero} wanted to learn to {skill}.|There was one thing {hero} could not do: {he} could not {skill}.|
        All {his} friends could {skill}, but {hero} could not.] <p> <go> [Nobody was there to watch {him}.|] {he} [tried it at once|took a deep breath and began].
        {fail} [{he} tried again, but it was no better.|{he} tried it {some} times, and it went wrong {some} times.|]
        ["I will never learn to {skill}," [said|sighed] {hero}.|"It is too hard for me," [said|sighed] {hero}.]
        <p> <meet> [<learn_friend_knows>|<learn_friend_learns>])"},
    {"learn_friend_knows",
     R"("[When I was small, I could not {skill} either|Nobody can {skill} on the first day|I fell over a hundred times before I could {skill}],"
        said {friend}. "{tip}." <learn_days> <p> "I can {skill}!" [cried|shouted] {hero}. <thanks> [<learn_moral>|] <end_one>)"},
    {"learn_friend_learns",
     R"("[I cannot {skill} either|I have always wanted to {skill}, too]," said {friend}. "[Let us learn it together|Shall we ask somebody]."
        An old [sailor|miller|shepherd|gardener] had been watching them. "{tip}," said the old man. <learn_days>
        [{friend} learned it, too.|And {friend} could do it on {day3}.] <p> [Now they {skill_past} together whenever they could.|
        "We can {skill}!" they [sang|shouted].] [<learn_moral>|] <end_both>)"},
    {"learn_days", R"({hero} practiced on {day}. {he} practiced on {day2}, and it went a little better. [{he} did not give up.|]
        On {day3}, {success}!)"},
    {"learn_moral",
     R"([Whoever falls nine times must get up ten times.|What is hard today is easy tomorrow.|A little every day makes a lot.|
        It is no shame to begin.])"},

    // Build: three parts are needed, and the third is missing.
    {"build", R"({opening} [{hero} wanted to {make} a {project}.|"I am going to {make} a {project}!" said {hero}.|
        {hero} had never {made_done} a {project}, but {he} wanted to try.] {he} needed {part1}, {part2}, and {part3}.
        <p> <go> [{Spot} {he} found {part1}, and {spot2} {he} found {part2}.|First {he} found {part1}. Then, {spot}, {he} found {part2}.]
        But {he} could not find {part3}. [Without that, nothing could be done.|{he} looked everywhere.|] <sad>
        <p> [<build_friend>|<build_swap>|<build_proud>])"},
    {"build_friend", R"(<meet> <ask_trouble> "I want to {make} a {project}, but I do not have {part3}," said {hero}.
        "[We have that at home|My grandmother has that|I know where to find that]!" cried {friend}. {Fhe} ran off and came back with {part3}. <build_done>)"},
    {"build_swap",
     R"(<meet> {Friend} had {part3}, but {friend} wanted something for it. "[Give me|Bring me|I want] {treats_out}," said {friend}.
        [{hero} ran home and came back with a full bag.|{hero} had just the right thing in {his} bag.] [Then {friend} was ashamed. "Let us eat together," said {friend}.|
        {friend} ate, and both of them were content.] <build_done>)"},
    {"build_proud",
     R"(<meet> "May I help you?" asked {friend}. "No, I can do it alone," said {hero}. [{he} tried it without {part3}.|{he} worked for an hour.]
        But the {project} [was no good|was a failure], because it needed {part3}. Then {hero} [went to {friend}|ran after {friend}] and said, "Please help me."
        {friend} did not laugh. {Fhe} brought {part3}. <build_done>)"},
    {"build_done",
     R"([They worked side by side.|One held, and the other worked.|They worked until their stomachs growled.|It took them {some} hours.]
        [At last|In the end] the {project} was [done|finished|ready]. <p> <glad> [<thanks>|] {joy}. [What one cannot do, two can.|
        Many things are easy when you ask for help.|] <end_both>)"},

    // Contest: at the decisive moment a friend needs help.
    {"contest",
     R"({opening} <p> [Everybody in the village was looking forward to|A sign on the wall said that there would be|Soon there would be] a {contest}
        {at}. [{hero} wanted to win it.|"I am going to win!" said {hero}.|{hero} wanted the prize, a cake as big as a wheel.] {where}
        Every day {he} {practice}. [{friend_first} practiced, too.|But {friend_first} wanted to win as well.] {quiz}
        <p> {Day2} was the great day. {weather} [{sight}|] {contest_end})"},
    {"contest_help", R"({contest_begins} But then {he} saw that {trouble}.
        [{hero} stopped for a moment. Then|What should {he} do?|"I could win now," thought {hero}. But then|{hero} did not think twice:] {help}.
        [So neither of them won.|Of course, somebody else came first.|They came last, side by side.] <p> But [the people clapped louder for them than for the winner|the judge gave them a prize of their own|
        everybody cheered for them]. "You are better than a winner, {hero}," said {friend} <manner>. [It is good to win, but it is better to help.|] <end_both>)"},
    {"race_begins", R"("[Ready, steady, go|One, two, three, go]!" [cried|called] the [judge|mayor|teacher]. [Off they went!|]
        {hero} was [ahead of all the others|in front|faster than anybody else].)"},
    {"show_begins",
     R"(The [judge|mayor|teacher] rang a gong, and everybody [became quiet|looked up]. {hero} [began very well|was as good as the best].)"},
    {"contest_steady",
     R"({friend} [laughed|was sure to win] and did not try very hard. {hero} did not laugh. {he} went on and on, one little step after the other.
        [At first|For a long time] {friend} was ahead. Then {friend} [grew tired|lay down for a nap|stopped to talk to a {critter}], and {hero} [went past|won]!
        <p> "How did you do that?" asked {friend}. "I did not stop," said {hero}. [They ate the prize together, and it was a very good cake.|{He} shared the prize with {friend}.] <end_both>)"},

    // Rescue: on an errand, a cry for help.
    {"rescue", R"({opening} [{hero} wanted to {errand}.|"Today I want to {errand}," said {hero}.] <p> <go>
        [{he} had hardly begun when {he} heard a cry.|{he} had just begun when somebody called.|Then {he} heard a voice.] "Help! [Help!|I am here!|Please help me!]"
        [{hero} listened.|{hero} dropped everything and ran.|It came from somewhere {spot}.] It was {friend_first}. <p> [<rescue_hole>|<rescue_thorns>|<rescue_stone>|{rescue_here}] <rescue_after>)"},
    {"rescue_hole",
     R"({friend} had [fallen into|slipped into] a deep hole and could not get out. "[Hold on!|Do not be afraid!]" said {hero}.
        [{hero} lay down and reached as far as {he} could, but the hole was too deep.|{hero} jumped up and down, but that was no help.] Then {he} found a long [branch|stick|rope] {spot}.
        {He} let it down, {friend} held on to it, and {hero} pulled with all {his} strength. Up came {friend}!)"},
    {"rescue_thorns",
     R"({friend} was caught in a thorn bush. The more {fhe} pulled, the more it hurt. "Keep quite still," said {hero}.
        Slowly and carefully {hero} bent the thorns away, one after the other. [It took a long time.|{He} got some scratches, but {he} did not mind.] Then {friend} was free.)"},
    {"rescue_stone",
     R"(A heavy stone had rolled onto {friend}'s coat, and {fhe} could not get away. {hero} pushed, but the stone did not move. {hero} thought.
        Then {he} found a strong [stick|pole|branch] {spot}, put it under the stone, and leaned on it. The stone rolled away!)"},
    {"rescue_water",
     R"({friend} was sitting on a rock in the middle of the water and could not get back. [The water had risen.|The boat had drifted away.]
        {hero} looked around. {Spot} lay a long plank. {he} pushed it out to the rock, and {friend} walked over it, [step by step|slowly and carefully].)"},
    {"rescue_tree",
     R"({friend} had climbed up a tree and did not dare to come down. "[Do not look down|Look at me]," called {hero}. "Now put one foot on the branch below. Good! And now the other."
        [{friend} was trembling, but {fhe} did it.|So {friend} came down, branch by branch.] At last {fhe} stood on the ground again.)"},
    {"rescue_after",
     R"(<p> ["You saved me, {hero}!" said {friend} <manner>.|"I called for an hour, and only you came," said {friend}.|{friend} was so glad that {fhe} could hardly speak.]
        ["What were you doing here?" asked {friend}. "I wanted to {errand}, {friend}," said {hero}. "Then let us do it together!"|"Now I will help you," said {friend}.]
        So they {errand_past} [together|side by side] until it [got dark|was time for supper]. [Who helps a friend is never alone.|] <end_both>)"},
};

}  // namespace

std::span<const Rule> deed_plots() { return kDeedPlots; }

}  // namespace spectra::text
