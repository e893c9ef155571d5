// SPDX-License-Identifier: Apache-2.0
// Stories about a day: a storm, a mystery, sharing, a visit.
#include "text/stories_grammar.h"

namespace spectra::text {

namespace {

constexpr Rule kDayPlots[] = {
    // Storm: an errand is interrupted.
    {"storm",
     R"({opening} <p> <go_both> They wanted to {errand}. [{quiz}|{where}] [They had hardly begun when|They {errand_past} for a while. Then|Everything went well until]
        [the sky turned black|dark clouds came up|it suddenly grew dark]. [There was a flash and a bang.|Thunder rolled.|The first big drops fell.]
        "A storm!" cried {friend}. "[We must not stay here|Quick, we have to hide|Run]!"
        <p> They ran [as fast as they could|and ran]. [<storm_hut>|<storm_boat>|<storm_lost>] <storm_over>)"},
    {"storm_hut",
     R"(There was an old hut, but the door [would not open|was stuck]. [{hero} pushed, and {friend} pushed, but only when they pushed together did it open.|
        "One, two, three!" said {hero}, and together they pushed it open.] Inside it was [dark but dry|dry and smelled of hay]. {hero} was [shaking|trembling].
        "I am afraid of thunder," {he} whispered. "[So am I, but only when I am alone|Then let us sing louder than the thunder|Hold on to me]," said {friend}.)"},
    {"storm_boat",
     R"({Spot} they found an old [door|tabletop|box] and crept under it. The rain drummed on the wood. It was so narrow that they had to sit very close.
        [{friend} was cold, so {hero} gave {friend} {his} coat.|{hero} had one piece of chocolate left and broke it in two.] ["Are you afraid, {friend}?" asked {hero}. "Not with you, {hero}," said {friend} <manner>.|
        They counted from the flash to the bang: one, two, three, four.])"},
    {"storm_lost",
     R"(But in the rain they took the wrong path. "[Where are we|Which way is home]?" asked {hero}. [{friend} did not know either.|Nobody answered but the thunder.]
        Then {hero} remembered something. "The {place} is {dir} of the village," {he} said. {back_hint} They went on, side by side, and soon they saw a light. It was a [shepherd|miller|farmer]
        who let them dry themselves by the fire.)"},
    {"storm_over",
     R"(<p> [After an hour|At last|Little by little] the storm was over. [The sun came out, and there was a rainbow.|Everything was dripping and shining.|The air smelled fresh and clean.]
        [Now they {errand_past} after all.|"Shall we go on?" asked {friend}. And so they {errand_past} after all.|They were wet to the skin, and they laughed.] [After the rain comes the sun.|A storm is half as loud when you are two.|] <end_both>)"},

    // Mystery: it is always something small.
    {"mystery",
     R"({opening} <p> One {day} evening, {hero} [was on {his} way home|could not sleep and went for a walk]. {he} came past the {place}. [{sight}|] There {he} [{sense}|suddenly {sense}] {sign}.
        [{he} stood still.|{his} heart beat fast.|{he} held {his} breath.] "[Perhaps it is|That must be|It can only be] {guess}," {he} thought, and {he} ran home as fast as {he} could.
        <p> [On {day2} {he} told {friend_first} about it.|On {day2} {he} told {friend_first} what {he} had {sense_past} {at}.] [{friend} laughed, but {fhe} was a little afraid, too.|{friend} did not laugh.|"{Guess}? I do not believe that," said {friend}.]
        "[Let us go and look|We must find out|Tonight we will go together]," {fhe} said. [{hero} did not want to, but {he} went.|{hero} swallowed hard and nodded.]
        <p> [When it grew dark|That evening], they [took a lamp and crept|went|tiptoed] {to}. [There it was again!|Yes, there it was.|And again {hero} {sense} {sign}.] [<mystery_near>|<mystery_run>] It was only {truth}! <p>
        [They laughed until their bellies hurt.|{hero} felt {his} ears grow warm, and then {he} laughed.|"So that was {guess}!" laughed {friend}.|They looked at each other and began to laugh.] Then {remedy}
        [In the dark, small things look big.|Fear is biggest from far away.|Since then {hero} always goes and looks first.|Whoever looks twice is afraid only once.] <end_both>)"},
    {"mystery_near",
     R"([Step by step|Slowly] they [went|crept] closer. [{hero} held on to {friend}.|{friend} held up the lamp.] Then {friend} looked {spot}.)"},
    {"mystery_run",
     R"("[One of us must go first|Somebody must be first]," whispered {friend}. "I will," said {hero}, [although {his} knees were shaking|and {he} was surprised at {his} own words]. {he} looked {spot}.)"},

    // Share: adding and taking away.
    {"share", R"({opening} [<share_give>|<share_gather>|<share_swap>])"},
    {"share_give",
     R"({hero} had {got} {treats_sum}. <p> {when} {hero} took them {to}. {weather} [{sight}|] There {he} [saw|met] {friend_first}.
        [{friend} looked hungry.|{friend} was sitting {spot} and looked sad.] "[I have not eaten anything today|I forgot my lunch at home|A crow stole my lunch]," said {friend}.
        [{hero} looked at {his} {treats}.|{hero} did not think for long.] [They smelled so good!|] "You can have {treats_out}, {friend}," said {hero} <manner>.
        <share_left> [{friend} ate and smiled again.|How {friend} enjoyed that!] <p> [On the next day, on {day2},|On {day2}] {hero} [was hungry and had nothing left|had forgotten {his} own lunch].
        Who came along? It was {friend}, with a [big bag|basket] of {treats}. "Now it is my turn," said {friend}. [Whoever gives will not go hungry.|])"},
    {"share_left",
     R"([{n_sum} take away {n_out} is {n_left}, so {hero} had {treats_left} left.|Now {hero} had only {treats_left} left.|
        {hero} had had {n_sum}, {he} gave away {n_out}, and {n_left} {left_was} left.])"},
    {"share_rest",
     R"([{n_sum} take away {n_out} is {n_left}, so {hero} had {treats_left} left.|Now {hero} had only {treats_left} left.])"},
    {"share_gather",
     R"(<p> <go_both> They wanted to [eat|have lunch|rest] there. {quiz} {hero} had {got} {treats_a}, and {friend} had [brought|{got}] {treats_b}.
        "[How many are there together|How many do we have]?" asked {friend}. <share_sum> <p> [They put the {treats} {spot} and went to drink some water.|They left the {treats} {spot} and went to look around.]
        Then a [cheeky|sly|hungry] [magpie|crow|rat] came and took {n_out} of them! [When they looked again, there were only {n_left} left.|When they came back, they counted only {n_left}.]
        "[You ate them|You took some]!" cried {hero}. "No, it was you!" cried {friend}. [Then they saw the thief behind a bush, chewing.|Then they heard somebody munch behind a bush.] [Both were ashamed.|They had to laugh.]
        "I am sorry," said {hero}. They shared what was left. <end_both>)"},
    {"share_sum",
     R"([{hero} counted. {n_a} and {n_b} make {n_sum}.|"{N_a} and {n_b} make {n_sum}," said {hero}.|"{N_a} plus {n_b} is {n_sum}," [said|answered] {hero}.])"},
    {"share_swap",
     R"({hero} had {treats_a}. <p> {when} {he} [took them|went with them] {to}. {weather} [{sight}|] There {he} met {friend_first}, who had [{got} far too many|brought a full basket].
        {friend} gave {him} {n_b} more. Now {hero} had {treats_sum}. ["What do you want for them?" asked {hero}. "Nothing," said {friend}. "[Sit down and eat with me|Tell me a story]."|]
        [They sat down {spot} and ate.|They found a good place {spot} and sat down.] {hero} ate {n_out}, so {n_left} {left_was} left. [These {he} took home for {his} [grandmother|grandfather|aunt|uncle].|"I will keep the rest for tomorrow," {he} said.]
        [Food tastes twice as good in company.|Good things grow when you share them.|<end_both>])"},

    // Visit: somebody is ill, and the way is long.
    {"visit",
     R"({opening} <p> [It was {day}, and|One {day},] {friend_first} was ill and had to stay in bed. {friend} lived in the {fhome}, {fhome_dir} of the village.
        [{hero} wanted to visit {friend} in the {fhome}.|"I will go and see {friend}," said {hero}.] {He} had {got} {treats_sum} [as a present|to make {friend} feel better], and {he} packed them into a basket.
        <p> {weather} The way led past the {place}. [{sight}|] [<visit_hungry>|<visit_fog>|<visit_bird>]
        <p> At last {hero} knocked at the door of the {fhome}. {Friend} was lying in bed with a [red nose|hot forehead|sore throat]. "[How good of you to come|I was so bored]!" {fhe} said.
        {hero} gave {friend} the {treats} [and told {friend} everything|]. [{friend} laughed and felt much better.|"I feel better already," said {friend}.] {friend_eats} [On {day2} {friend} was well again.|In two days {friend} was well again.]
        [A visit is the best medicine.|The best medicine has feet and comes by itself.|])"},
    {"visit_hungry",
     R"(There sat a [beggar|wanderer|tired old man]. "I am so hungry," said the [stranger|poor fellow]. {hero} [thought of {friend}, but then {he}|] gave away {treats_out}. <share_left>
        "{friend} will understand," {he} thought. [The stranger thanked {him} and showed {him} a shorter way.|])"},
    {"visit_fog",
     R"([There the path split in two.|There {hero} lost {his} way.] "Left or right?" {he} [wondered|said to {himself}]. {he} asked [a goose|an old woman|a boy with a cow]. "The {fhome} is {fhome_dir} of the village," was the answer.
        So {hero} turned {fhome_dir} [and walked faster|and hurried on]. On the way {he} got hungry and ate {treats_out}. <share_rest>)"},
    {"visit_bird",
     R"(There the road was under water. {hero} [had to jump from stone to stone|had to wade through the water]. The basket tipped, and {treats_out} fell into the water! {N_sum} take away {n_out} is {n_left}.
        "{Treats_left} {left_is} better than none," said {hero} and went on.)"},
};

}  // namespace

std::span<const Rule> day_plots() { return kDayPlots; }

}  // namespace spectra::text
