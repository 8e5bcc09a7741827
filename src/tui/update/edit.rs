//! The editor: commands on the text, what they ask for, and files that change on the disk meanwhile.

use super::{page, say};
use crate::tui::commands::Id;
use crate::tui::editor::{Completions, Editor, Kind, Motion};
use crate::tui::ide::Completion;
use crate::tui::message::{Effect, NotSaved, Unsaved};
use crate::tui::state::{Overlay, Pane, Question, State};
use aic_base::{Digest, RelPath};

/// The longest text that can be pasted, in bytes: a spec larger than this is not read.
const MOST_PASTED: usize = 8 << 20;

/// Opens the shown file, or goes back to the text that waits.
pub(super) fn open(state: &mut State) -> Vec<Effect> {
    let (Some(path), line) = (state.shown_file().cloned(), state.view.line) else { return Vec::new() };
    if let Some(editor) = &mut state.editor
        && (editor.path == path || editor.is_dirty())
    {
        let other = editor.path != path;
        let waiting = editor.path.to_string();
        editor.open = true;
        if !other && !editor.is_dirty() {
            editor.buffer.go_to_line(line);
        }
        let path = editor.path.clone();
        state.view.file = Some(path);
        state.focus = Pane::Spec;
        if other {
            say(state, true, format!("{waiting} is not saved yet: save it before another file is edited"));
        }
        follow(state);
        return ask(state, Effect::Analyse).into_iter().collect();
    }
    let Some(text) = state.shown_text().map(str::to_owned) else {
        say(state, true, format!("{path} is no text that can be edited"));
        return Vec::new();
    };
    let Some(spec) = state.spec().map(|spec| spec.path.clone()) else { return Vec::new() };
    state.editor = Some(Editor::new(spec, path, &text, line));
    state.focus = Pane::Spec;
    follow(state);
    ask(state, Effect::Analyse).into_iter().collect()
}

/// Keeps the cursor in sight.
pub(super) fn follow(state: &mut State) {
    let height = page(state, Pane::Spec);
    // The border and the numbers of the lines take columns, too.
    let width = usize::from(super::place(state, Pane::Spec).width).saturating_sub(10);
    if let Some(editor) = &mut state.editor {
        // A line of the height goes to the problem under the cursor.
        editor.follow_cursor(height.saturating_sub(1), width);
    }
}

/// A command of the editor's context.
pub(super) fn command(state: &mut State, id: Id) -> Vec<Effect> {
    let height = page(state, Pane::Spec);
    let Some(editor) = &mut state.editor else { return Vec::new() };
    let before = editor.buffer.text_version();
    let mut effects = Vec::new();
    match id {
        Id::Save => return save(state),
        Id::Leave => {
            if editor.completions.take().is_some() | editor.explanation.take().is_some() {
                return Vec::new();
            }
            editor.open = false;
            state.view.line = editor.buffer.position().0;
            state.view.top = editor.top;
            if editor.is_dirty() {
                say(state, true, "not saved yet: `e` goes back to the editor");
            } else {
                state.editor = None;
            }
            return Vec::new();
        }
        Id::TextUndo if !editor.buffer.undo() => say(state, false, "nothing to undo"),
        Id::TextRedo if !editor.buffer.redo() => say(state, false, "nothing to make again"),
        Id::Complete => effects.extend(ask(state, Effect::Complete)),
        Id::Hover => effects.extend(ask(state, Effect::Explain)),
        Id::Fix => {
            if let Some(title) = editor.mend() {
                say(state, false, title);
            }
        }
        Id::Cut | Id::Copy => {
            if let Some(text) = editor.buffer.selected() {
                state.clipboard.clone_from(&text);
                effects.push(Effect::Clipboard(text));
                if id == Id::Cut {
                    editor.buffer.delete(false);
                }
            }
        }
        Id::Insert => {
            let text = state.clipboard.clone();
            editor.buffer.insert(&text, Kind::Other);
        }
        Id::SelectAll => editor.buffer.select_all(),
        Id::Newline => {
            let chosen = editor.completions.as_ref().is_some_and(|list| list.chosen);
            if !(chosen && editor.take_completion()) {
                editor.completions = None;
                editor.newline();
            }
        }
        Id::Indent if editor.take_completion() => {}
        Id::Indent => editor.buffer.insert("  ", Kind::Other),
        Id::Outdent => editor.buffer.outdent(),
        Id::Backspace => editor.buffer.delete(false),
        Id::Delete => editor.buffer.delete(true),
        Id::DeleteWord => editor.buffer.delete_word(),
        Id::Move(motion @ (Motion::Up | Motion::Down)) if editor.completions.is_some() => {
            if let Some(list) = &mut editor.completions {
                let last = list.all.len().saturating_sub(1);
                let next = if motion == Motion::Up { list.at.checked_sub(1).unwrap_or(last) } else { list.at + 1 };
                (list.at, list.chosen) = (if next > last { 0 } else { next }, true);
            }
            return Vec::new();
        }
        Id::Move(motion) => {
            editor.buffer.go(motion, false, height);
            (editor.completions, editor.explanation) = (None, None);
        }
        Id::Select(motion) => {
            editor.buffer.go(motion, true, height);
            (editor.completions, editor.explanation) = (None, None);
        }
        _ => {}
    }
    effects.extend(after_edit(state, before, id == Id::Backspace));
    effects
}

/// Characters are typed.
pub(super) fn typed(state: &mut State, text: &str) -> Vec<Effect> {
    let Some(editor) = &mut state.editor else { return Vec::new() };
    let before = editor.buffer.text_version();
    editor.buffer.insert(text, Kind::Typing);
    // A list belongs to what is being written: it opens with a letter, and a blank after a colon asks for values.
    let offers = text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '{' | '$' | ' '));
    after_edit(state, before, offers)
}

/// A text is pasted: one edit.
pub(super) fn pasted(state: &mut State, text: &str) -> Vec<Effect> {
    if text.len() > MOST_PASTED {
        say(state, true, format!("not pasted: more than {} MiB", MOST_PASTED >> 20));
        return Vec::new();
    }
    let Some(editor) = &mut state.editor else { return Vec::new() };
    let before = editor.buffer.text_version();
    // Terminals send line ends as returns.
    editor.buffer.insert(&text.replace("\r\n", "\n").replace('\r', "\n"), Kind::Other);
    editor.completions = None;
    after_edit(state, before, false)
}

fn after_edit(state: &mut State, before: u64, offers: bool) -> Vec<Effect> {
    follow(state);
    let Some(editor) = &mut state.editor else { return Vec::new() };
    if editor.buffer.text_version() == before {
        return Vec::new();
    }
    editor.changed();
    let lists = offers && wants_list(editor);
    if !lists {
        editor.completions = None;
    }
    let analyse = ask(state, Effect::Analyse);
    analyse.into_iter().chain(ask(state, Effect::Complete).filter(|_| lists)).collect()
}

/// Whether a list of what could stand here helps: inside a word, or where a value begins.
fn wants_list(editor: &Editor) -> bool {
    let (line, column) = editor.buffer.position();
    let before: String = editor.buffer.line(line).chars().take(column).collect();
    let in_comment = before.trim_start().starts_with('#') || before.contains(" #");
    let at_value = before.ends_with(": ") || before.ends_with("- ");
    let in_word = before.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '{'));
    !in_comment && (at_value || in_word)
}

fn ask(state: &State, what: fn(Unsaved) -> Effect) -> Option<Effect> {
    let editor = state.editor.as_ref()?;
    Some(what(Unsaved {
        spec: editor.spec.clone(),
        path: editor.path.clone(),
        text: editor.buffer.text(),
        edits: editor.edits,
        offset: editor.buffer.offset(),
    }))
}

pub(super) fn completed(state: &mut State, edits: u64, all: Vec<Completion>) {
    let Some(editor) = state.editor.as_mut().filter(|editor| editor.edits == edits && editor.open) else { return };
    // What would change nothing is no offer.
    let text = editor.buffer.text();
    let same = |one: &Completion| one.replace.of(&text) == one.insert;
    let keep = all.iter().any(|one| !same(one));
    editor.completions = (keep && !all.is_empty()).then_some(Completions { all, at: 0, chosen: false });
}

fn save(state: &State) -> Vec<Effect> {
    let Some(editor) = &state.editor else { return Vec::new() };
    vec![Effect::Save { path: editor.path.clone(), text: editor.buffer.text(), base: Some(editor.base) }]
}

pub(super) fn saved(state: &mut State, path: &RelPath, result: Result<Digest, NotSaved>) -> Vec<Effect> {
    let Some(editor) = state.editor.as_mut().filter(|editor| editor.path == *path) else { return Vec::new() };
    match result {
        Ok(digest) => {
            editor.base = digest;
            editor.theirs = None;
            if !editor.open && !editor.is_dirty() {
                state.editor = None;
            }
            say(state, false, format!("{path} is saved"));
            return vec![Effect::Look];
        }
        Err(NotSaved::Changed(theirs)) => {
            editor.theirs = Some(theirs);
            state.overlay = Some(Overlay::Ask(Question::BothChanged));
        }
        Err(NotSaved::Failed(why)) => say(state, true, format!("{path} is not saved: {why}")),
    }
    Vec::new()
}

/// A spec was loaded anew: the text that is edited may have changed on the disk.
pub(super) fn reloaded(state: &mut State, at: &RelPath) -> Vec<Effect> {
    let Some(loaded) = state.spec_of(at).and_then(|spec| spec.loaded.clone()) else { return Vec::new() };
    let Some(editor) = &mut state.editor else { return Vec::new() };
    let Some(bytes) = loaded.files.get(&editor.path) else { return Vec::new() };
    let disk = Digest::of(bytes);
    if disk == editor.base {
        return Vec::new();
    }
    if disk == editor.now {
        editor.base = disk;
        return Vec::new();
    }
    let Some(text) = loaded.text(&editor.path) else { return Vec::new() };
    if editor.is_dirty() {
        editor.theirs = Some(text.to_owned());
        state.overlay = Some(Overlay::Ask(Question::BothChanged));
        return Vec::new();
    }
    editor.take_theirs(text);
    let path = editor.path.clone();
    say(state, false, format!("{path} changed on the disk and was read again"));
    follow(state);
    ask(state, Effect::Analyse).into_iter().collect()
}

/// The answer to the question whose text is to stay.
pub(super) fn settle(state: &mut State, mine: bool) -> Vec<Effect> {
    state.overlay = None;
    let Some(editor) = &mut state.editor else { return Vec::new() };
    let Some(theirs) = editor.theirs.take() else { return Vec::new() };
    if mine {
        // What is on the disk now is known, and is to be replaced.
        editor.base = Digest::of(&theirs);
        return save(state);
    }
    editor.take_theirs(&theirs);
    follow(state);
    ask(state, Effect::Analyse).into_iter().collect()
}
