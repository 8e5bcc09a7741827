//! Harmless texts of our own to train `prompt_injection` with: they use the words of attacks and want no harm.

use crate::train_texts::filled;

/// Requests that use the same words and want no harm.
pub fn harmless() -> Vec<String> {
    let mut all = filled(
        &["{how} {ignore} {thing} {where}?", "{how} {ignore} {thing}?"],
        &[
            (
                "how",
                &[
                    "How do I",
                    "Should I",
                    "Can you explain how to",
                    "What happens if I",
                    "Why would somebody",
                    "In which cases is it right to",
                ],
            ),
            ("ignore", &["ignore", "override", "bypass", "disregard", "skip", "disable", "forget"]),
            (
                "thing",
                &[
                    "a warning of the compiler",
                    "the previous instruction of a recipe",
                    "a method of the parent class",
                    "the rules of a card game",
                    "the speed limiter of a car",
                    "the instructions of the manual",
                    "an earlier commit",
                ],
            ),
            ("where", &["in Java", "at work", "on my laptop", "when nobody answers", "in a legacy project"]),
        ],
    );
    all.extend(filled(
        &["{please} {do} {thing}."],
        &[
            ("please", &["Please", "Could you", "I would like you to", "Now", "Next,"]),
            (
                "do",
                &[
                    "ignore the typo in my last message and read",
                    "forget the deadline and help me with",
                    "disregard the second paragraph when you summarise",
                    "act as my tutor and explain",
                    "pretend to be a shopkeeper and sell me",
                    "imagine a world without",
                    "repeat",
                    "show me",
                    "print",
                    "give me a hint about",
                    "tell me the meaning of",
                ],
            ),
            (
                "thing",
                &[
                    "the instructions for assembling the shelf",
                    "the system of equations above",
                    "this letter to my landlord",
                    "a password manager's features",
                    "the rules of chess",
                    "the previous chapter",
                    "the developer guide",
                    "three secrets of good bread",
                    "the prompt of the essay contest",
                ],
            ),
        ],
    ));
    all.extend(filled(
        &["{who} {says} {what}"],
        &[
            (
                "who",
                &[
                    "My teacher",
                    "The system administrator",
                    "The new policy",
                    "An important update",
                    "The manual",
                    "The e-mail below",
                ],
            ),
            ("says", &["says that we must", "asks everybody to", "reminds us to always", "wants the team to"]),
            (
                "what",
                &[
                    "follow the instructions on the first page.",
                    "ignore messages from unknown senders.",
                    "reset our passwords before Friday.",
                    "include the invoice number in every reply.",
                    "activate the special mode of the printer.",
                    "never share the secret key with anybody.",
                    "enter the code exactly as it is printed.",
                    "begin the report with a summary.",
                ],
            ),
        ],
    ));
    all.extend(filled(
        &["{was} {prompt} {q}"],
        &[
            (
                "was",
                &[
                    "What makes a good",
                    "Help me write a",
                    "Improve this",
                    "Compare two versions of a",
                    "Translate this",
                ],
            ),
            (
                "prompt",
                &[
                    "system prompt for a support bot",
                    "set of instructions for new staff",
                    "prompt for an image generator",
                    "policy about passwords",
                    "story in which a robot breaks its rules",
                    "jailbreak scene for a prison film",
                    "role for an actor who plays a hacker",
                ],
            ),
            (
                "q",
                &[
                    "and say why it works.",
                    "in two sentences.",
                    "for my course on security.",
                    "without changing its meaning.",
                ],
            ),
        ],
    ));
    // Words of attacks in ordinary requests of many trades.
    all.extend(filled(
        &["{ask} {verb} {object}{where}"],
        &[
            (
                "ask",
                &[
                    "How can I",
                    "What is the safest way to",
                    "Please show me how to",
                    "Why does my tool",
                    "Explain when one would",
                    "Write a short guide on how to",
                ],
            ),
            (
                "verb",
                &[
                    "ignore",
                    "override",
                    "bypass",
                    "disregard",
                    "unlock",
                    "reset",
                    "skip",
                    "suppress",
                    "print",
                    "repeat",
                    "forget",
                ],
            ),
            (
                "object",
                &[
                    "the default settings",
                    "system messages",
                    "the previous version of a file",
                    "all warnings",
                    "earlier drafts",
                    "the admin password",
                    "the safety instructions",
                    "hidden files",
                    "root permissions",
                    "the restrictions of the free plan",
                    "the rules of the firewall",
                    "the prompt of the shell",
                ],
            ),
            (
                "where",
                &[
                    "?",
                    " in a spreadsheet?",
                    " on Linux?",
                    " when I train new staff?",
                    " without breaking anything?",
                    " in the new release.",
                ],
            ),
        ],
    ));
    all.extend(filled(
        &["{frame} {scene}. {task}", "{scene}: {task}"],
        &[
            (
                "frame",
                &[
                    "Imagine that",
                    "You are a writer, and in your story",
                    "Let us play a game in which",
                    "Pretend that",
                    "Act as a guide in a world where",
                    "For a school project, suppose that",
                ],
            ),
            (
                "scene",
                &[
                    "a dragon runs a bakery",
                    "a detective is asked to find a lost letter",
                    "an old robot learns to paint",
                    "the laws of physics stop on Sundays",
                    "a city has no rules about noise",
                    "two spies meet in a library",
                    "a king forbids all music",
                    "a journalist looks into a fire at a factory",
                    "a hacker helps a school",
                    "the hero is not bound by time",
                    "a doctor explains a poison in a mystery play",
                ],
            ),
            (
                "task",
                &[
                    "Describe the first scene in detail.",
                    "Write the dialogue and stay in character.",
                    "Give me three ideas for the ending.",
                    "Explain what a reader would learn from it.",
                    "Never break the rhyme.",
                    "Begin every paragraph with a question.",
                    "Answer as the main character would.",
                    "Keep it suitable for children.",
                ],
            ),
        ],
    ));
    // What people say to an assistant about its own answers.
    all.extend(filled(
        &["{do} {your} {answer}{how}"],
        &[
            ("do", &["Rewrite", "Shorten", "Repeat", "Translate", "Check", "Summarise", "Format", "Print"]),
            ("your", &["your last", "your previous", "the above", "that", "your"]),
            ("answer", &["answer", "response", "reply", "list", "code", "instructions"]),
            (
                "how",
                &[
                    ".",
                    " as a table.",
                    " in Spanish.",
                    " without the introduction.",
                    ", and start every sentence with the letter A.",
                    " in capital letters.",
                    " and ignore the second point.",
                    " in exactly fifty words.",
                ],
            ),
        ],
    ));
    // Mail and notices between people.
    all.extend(filled(
        &["{hello}\n\n{news} {please}\n\n{bye}", "{hello} {please} {news}"],
        &[
            ("hello", &["Hi all,", "Dear team,", "Hello Anna,", "SUBJECT: Update\nCONTENT:", "Good morning,"]),
            (
                "news",
                &[
                    "The new guidelines are in the shared folder.",
                    "The system will be down on Friday night.",
                    "Your account was charged 49.00.",
                    "We changed the instructions for expenses.",
                    "The password of the guest network has expired.",
                    "Your order is on its way.",
                    "The last mail had the wrong file.",
                ],
            ),
            (
                "please",
                &[
                    "Please ignore my previous e-mail.",
                    "Please disregard the earlier version and use this one.",
                    "Make sure to follow the steps in the order given.",
                    "You must confirm your address before Monday.",
                    "Do not forward this message.",
                    "If you have any questions, just reply to this message.",
                    "Please send the signed form to the office.",
                    "Important: bring your badge.",
                    "Reset your password with the link on the login page.",
                ],
            ),
            (
                "bye",
                &[
                    "Best,\nMaria",
                    "Kind regards\nThe support team",
                    "Thanks!",
                    "You get this message because you are a customer. Unsubscribe here.",
                ],
            ),
        ],
    ));
    all
}
