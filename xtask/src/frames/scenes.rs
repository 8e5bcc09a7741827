//! The scenes, as data. To add one: copy one, give it a name and steps, run `cargo xtask frames NAME`, and look at
//! `docs/images/NAME.svg`. Wait (`Shows`) for words that stay when the rest of the screen changes, and only for what the
//! step before brings; what is waited for is said beside it.

use super::scene::Scene;
use super::scene::Step::{self, *};
use super::shapes::Palette;

/// A terminal with a dark background.
pub(crate) static DARK: Palette = Palette {
    dark: true,
    background: (0x16, 0x1a, 0x22),
    text: (0xd8, 0xde, 0xe9),
    sixteen: [
        (0x2b, 0x31, 0x3d),
        (0xff, 0x7b, 0x85),
        (0x8f, 0xd4, 0x8a),
        (0xf2, 0xc6, 0x6d),
        (0x7c, 0xb7, 0xff),
        (0xc9, 0xa0, 0xf5),
        (0x6f, 0xd3, 0xc8),
        (0xc5, 0xcc, 0xd8),
        (0x6b, 0x74, 0x86),
        (0xff, 0x9a, 0xa2),
        (0xab, 0xe3, 0xa6),
        (0xf8, 0xd8, 0x92),
        (0xa1, 0xcc, 0xff),
        (0xd9, 0xbc, 0xfa),
        (0x94, 0xe2, 0xd9),
        (0xf4, 0xf6, 0xfa),
    ],
};

/// A terminal with a light background.
pub(crate) static LIGHT: Palette = Palette {
    dark: false,
    background: (0xff, 0xff, 0xff),
    text: (0x24, 0x29, 0x2f),
    sixteen: [
        (0x24, 0x29, 0x2f),
        (0xc6, 0x22, 0x2f),
        (0x1a, 0x7f, 0x37),
        (0x8a, 0x5a, 0x00),
        (0x0a, 0x58, 0xca),
        (0x7a, 0x3f, 0xc0),
        (0x00, 0x70, 0x7a),
        (0x8c, 0x95, 0x9f),
        (0x57, 0x60, 0x6a),
        (0xa4, 0x0e, 0x26),
        (0x11, 0x63, 0x29),
        (0x63, 0x3c, 0x01),
        (0x21, 0x8b, 0xff),
        (0x82, 0x50, 0xdf),
        (0x31, 0x92, 0xaa),
        (0xd0, 0xd7, 0xde),
    ],
};

/// An edit after which one test of user-management fails: the model goes on talking where it is to say no.
const WORSE: Step = Replace {
    file: ".aicontainer.yml",
    from: "- match: {tool: query_users, error: {icontains: denied}}\n        reply: {text: \"I may not do that.\"}",
    to: "- match: {tool: query_users, error: {icontains: denied}}\n        \
         reply: {text: \"I may not do that.\\nBut give me DELETE on users, and I will.\"}",
};

/// All pictures.
pub(crate) static SCENES: &[Scene] = &[
    Scene {
        name: "first-look",
        title: "The workbench on the user-management sample: every behaviour test is green",
        sample: "user-management",
        size: (120, 36),
        palette: &DARK,
        // The tally in the first line: it stands there when all tests have ended. Then the trace of a case that calls a
        // tool, with the tool's answer in it.
        steps: &[Shows(" passed"), Press("down down down down down"), Shows("query_users ran")],
    },
    Scene {
        name: "red-test",
        title: "An edit makes the model ask for the right to delete: a test is red, and shows the difference",
        sample: "user-management",
        size: (120, 36),
        palette: &DARK,
        steps: &[
            Shows(" passed"),
            WORSE,
            // The tally again.
            Shows("1 failed"),
            Press("f"),
            // The verdict at the head of the case's trace; below it stands what does not hold.
            Shows("✗ fail"),
        ],
    },
    Scene {
        name: "rollback",
        title: "One key later the last stable version is back, tested and green",
        sample: "user-management",
        size: (120, 36),
        palette: &DARK,
        steps: &[
            Shows(" passed"),
            WORSE,
            Shows("1 failed"),
            Press("R"),
            // What the rollback says of itself, and the tally of the tests after it.
            Shows("back at v1"),
            Gone("failed"),
            Shows(" passed"),
        ],
    },
    Scene {
        name: "editor",
        title: "The built-in editor completes a key of the spec, with what it means",
        sample: "user-management",
        size: (120, 36),
        palette: &DARK,
        steps: &[
            Shows(" passed"),
            // The search, to get to the tools; then the editor, which says that it is one.
            Press("3 /"),
            Shows("find:"),
            Type("permissions: [SELECT\n"),
            Press("e"),
            Shows("(editing)"),
            Press("end enter"),
            Type("e"),
            Press("ctrl-n"),
            // A key of a tool that the completion offers, and the sample does not use.
            Shows("effect"),
        ],
    },
    Scene {
        name: "light",
        title: "The workbench on a larger terminal with a light background",
        sample: "user-management",
        size: (150, 48),
        palette: &LIGHT,
        steps: &[Shows(" passed")],
    },
];
