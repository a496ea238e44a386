"""60 texts with the ends of their sentences, each marked by "|"."""

from __future__ import annotations

__all__ = ["SENTENCES"]

SENTENCES = (
    # plain
    "Who?| Me?| No.| It was him.",
    "It is noon.| We eat.| Then we sleep.",
    "Oh!| It is you.| Come in!",
    "Really?!| That is odd.| Tell me more.",
    # initials
    "J. K. Rowling wrote it.| It is a book.| And more.",
    "Ask J. R. R. Tolkien.| He knew.| He wrote.",
    "Martin L. King Jr. spoke.| They heard.| All did.",
    "Choose plan B.| Then call me.| Bye.",
    "Only you and I.| That is all.| Good.",
    "Take vitamin C.| It helps.| A bit.",
    # titles
    "Mr. Lorry met Mrs. Pross.| They talked.| Then they left.",
    "Dr. Smith is in.| Please sit down.| He comes.",
    "Ask Gen. Lee or Sen. Kay.| They know.| Go.",
    "Prof. Smith met Dr. Jones at 5 p.m. on Monday.| They talked.| Then they left.",
    "St. Paul is a city.| It is cold.| In winter.",
    "Mt. Everest is high.| So is K2.| Yes.",
    # abbreviations
    "The U.S. has fifty states.| Canada has ten.| Yes.",
    "The U.S. Army came.| It left.| Soon.",
    "He lives in the U.S. He likes it.".replace("U.S. He", "U.S.| He") + "| Much.",
    "Acme Inc. makes it.| It is good.| Buy it.",
    "Apples, pears, etc. are fruit.| Eat them.| Daily.",
    "Buy apples, pears, etc.| Then go home.| Rest.",
    "Fruit, e.g. apples, is good.| So are nuts, i.e. seeds.| Eat.",
    "It is Smith vs. Jones today.| Watch it.| Live.",
    "It costs approx. $3.50 per lb. at the shop.| Fine.| Bye.",
    "Come at 5 p.m.| Bring a cake.| And tea.",
    "She has a Ph.D. in physics.| She teaches.| Well.",
    "He was born on Jan. 5 in Rome.| He lived there.| Fine.",
    "She lives at No. 10 Downing St. in London.| It is nice.| Yes.",
    "Turn onto Main St.| It is short.| Stop there.",
    "See fig. 3 and p. 5.| They show it.| Yes.",
    # words that look like abbreviations
    "The answer is no.| Ask again.| Later.",
    "She ate the fig.| It was good.| Sweet.",
    "I love art.| You do, too.| We paint.",
    "We sat.| They stood.| Then they sat.",
    "Lie in the sun.| Relax.| Sleep.",
    "I am in.| You are out.| Bye.",
    # numbers
    "It costs 3.5 pounds.| Pay 10.| Go.",
    "Pi is 3.14159.| It never ends.| Never.",
    "The file is voicepipe.toml.| Edit it.| Save.",
    "Use version 2.1.3.| It is new.| Today.",
    "It was 1984.| I was six.| Then.",
    # lists
    "1. Apples are red.| 2. Pears are green.| 3. Plums.",
    "1. Apples|\n2. Pears|\n3. Plums",
    "- Apples|\n- Pears|\n- Plums",
    "# Plan|\nFirst we rest.| Then we go.",
    "a. Rest first.| b. Go then.| c. Eat.",
    # ellipses
    "Well... let me think.| It is noon.| Bye.",
    "Oh! It is you... Come in.".replace("! It", "!| It").replace("... Come", "...| Come") + "| Sit.",
    "Hmm… maybe not.| Let us see… Yes.".replace("… Yes", "…| Yes"),
    # quotes and brackets
    "He said “Stop.”| Then he left.| Yes.",
    "“Yes,” she said.| “Why not?”| He smiled.",
    "It works (I tried it.)| Believe me.| Please.",
    "**Stop.**| Then _go._| Now.",
    # other scripts, and no spaces
    "今日は。|元気です。|はい。",
    "你好！|今天很好。|我们去公园。",
    "本当？|はい、本当です！|では。",
    "क्या हाल है।| ठीक है।| हाँ।",
    "كيف حالك؟| أنا بخير.| نعم.",
    # other languages
    "Es ist z. B. am 5. Mai.| Dr. Weiß kommt.| Gut.",
)
