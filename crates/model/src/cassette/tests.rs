//! Recording and replaying, with a scripted model as the one that is recorded.

use super::*;
use crate::chat::{Message, Request, Role};
use crate::{Model, ModelError, Piece, ScriptedModel, Scrub};
use aic_base::SystemClock;
use futures_util::StreamExt;
use secrecy::SecretString;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

struct World {
    folder: tempfile::TempDir,
    model: Arc<dyn Model>,
}

fn world(rules: &Value) -> World {
    let model = ScriptedModel::new(rules.as_array().unwrap(), None).unwrap();
    World { folder: tempfile::tempdir().unwrap(), model: Arc::new(model) }
}

impl World {
    fn path(&self) -> PathBuf {
        self.folder.path().join("cassettes/a.jsonl")
    }

    fn tape(&self) -> Arc<Tape> {
        Arc::new(Tape::open(&self.path(), "cassettes/a.jsonl").unwrap())
    }

    /// Asks these in one conversation.
    async fn ask(&self, tape: &Arc<Tape>, mode: Mode, redaction: &Redaction, asked: &[&str]) -> Vec<Vec<Happened>> {
        let deck = Deck::new(tape.clone(), mode, "a case", redaction.clone(), false);
        let model = TapeModel::new(self.model.clone(), deck);
        let mut session = model.session(Arc::new(SystemClock::new()));
        let mut answers = Vec::new();
        for text in asked {
            let request = Request { messages: vec![Message::new(Role::User, *text)], ..Request::default() };
            answers.push(session.answer(&request).collect().await);
        }
        answers
    }
}

fn rules() -> Value {
    json!([
        {"match": {"user": "flaky"}, "times": 1, "reply": {"error": {"status": 429, "retry_after": "1s"}}},
        {"match": {"user": "flaky"}, "times": 1, "reply": {"chunks": ["at ", "last"]}},
        {"match": {"user": "broken"}, "reply": {"chunks": ["One ", "two"], "error": {"reset_after": 1}}},
        {"match": {"user": {"contains": "call"}}, "reply": {"text": "Wait.", "tool_calls": [{"name": "t", "args": {"x": [1, "é"]}}]}},
        {"match": {}, "reply": {"chunks": ["Hello ", "there."], "usage": {"input_tokens": 3, "output_tokens": 2}}},
    ])
}

const ASKED: [&str; 5] = ["flaky", "flaky", "broken", "call", "hi"];

#[tokio::test]
async fn what_was_recorded_is_replayed_piece_by_piece_errors_included() {
    let world = world(&rules());
    let tape = world.tape();
    let plain = Redaction::default();
    let recorded = world.ask(&tape, Mode::Record, &plain, &ASKED).await;
    tape.save().unwrap();
    assert_eq!(tape.recorded(), 5);
    // From the file, twice: each conversation counts anew.
    let tape = world.tape();
    for _ in 0..2 {
        assert_eq!(world.ask(&tape, Mode::Replay, &plain, &ASKED).await, recorded);
    }
    assert_eq!(tape.exchanges().len(), 5);
}

#[tokio::test]
async fn recording_again_writes_the_same_file_up_to_times() {
    let without_times = |text: String| -> Vec<Value> {
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .map(|mut line| {
                if line.get("at").is_some() {
                    line["at"] = 0.into();
                }
                line
            })
            .collect()
    };
    let world = world(&rules());
    let mut files = Vec::new();
    for _ in 0..2 {
        let tape = world.tape();
        world.ask(&tape, Mode::Record, &Redaction::default(), &ASKED).await;
        tape.save().unwrap();
        files.push(without_times(std::fs::read_to_string(world.path()).unwrap()));
    }
    assert_eq!(files[0], files[1]);
}

#[tokio::test]
async fn a_miss_names_the_nearest_recording_and_what_differs() {
    let world = world(&rules());
    let tape = world.tape();
    let plain = Redaction::default();
    world.ask(&tape, Mode::Record, &plain, &["List inactive users of May", "something else"]).await;
    tape.save().unwrap();
    let tape = world.tape();
    let answers = world.ask(&tape, Mode::Replay, &plain, &["List inactive users of June"]).await;
    let [Err(ModelError::Miss { message })] = &answers[0][..] else { panic!("{answers:?}") };
    assert!(
        message.contains(
            "message 1 (user) reads \"List inactive users of June\" rather than \"List inactive users of May\""
        ),
        "{message}"
    );
    let twice = world.ask(&tape, Mode::Replay, &plain, &["something else", "something else"]).await;
    let [Err(ModelError::Miss { message })] = &twice[1][..] else { panic!("{twice:?}") };
    assert!(message.contains("recorded once and is asked again"), "{message}");
}

#[tokio::test]
async fn renewing_asks_only_what_is_missing() {
    let world = world(&rules());
    let tape = world.tape();
    let plain = Redaction::default();
    world.ask(&tape, Mode::Record, &plain, &["one"]).await;
    tape.save().unwrap();
    let tape = world.tape();
    world.ask(&tape, Mode::Renew, &plain, &["one", "two"]).await;
    assert_eq!(tape.recorded(), 1);
    assert_eq!(tape.prune(), 0);
    tape.save().unwrap();
    let tape = world.tape();
    world.ask(&tape, Mode::Replay, &plain, &["two"]).await;
    assert_eq!(tape.prune(), 1);
}

#[tokio::test]
async fn the_same_question_of_another_case_is_paid_for_once() {
    let world = world(&rules());
    let tape = world.tape();
    let plain = Redaction::default();
    world.ask(&tape, Mode::Record, &plain, &["hi"]).await;
    world.ask(&tape, Mode::Record, &plain, &["hi"]).await;
    assert_eq!((tape.recorded(), tape.exchanges().len()), (1, 1));
}

#[tokio::test]
async fn secrets_and_personal_values_are_not_in_the_file_even_across_pieces() {
    let rules = json!([
        {"match": {"user": {"contains": "key"}}, "reply": {"chunks": ["It is sk-pla", "nted-1234567", ", c-", "77"],
            "tool_calls": [{"name": "t", "args": {"to": "c-77", "c-77": "sk-planted-1234567"}}]}},
    ]);
    let world = world(&rules);
    let mut secrets = Scrub::default();
    secrets.hide(SecretString::from("sk-planted-1234567".to_owned()));
    let redaction = Redaction::new(secrets, vec![("user_id".into(), "c-77".into())], None);
    let tape = world.tape();
    let recorded = world.ask(&tape, Mode::Record, &redaction, &["key of c-77: sk-planted-1234567"]).await;
    assert_eq!(recorded[0].len(), 6, "whoever records sees what came");
    tape.save().unwrap();
    let file = std::fs::read_to_string(world.path()).unwrap();
    assert!(!file.contains("planted") && !file.contains("c-77") && file.contains("«user_id»"), "{file}");
    // Replayed, the run's own value is back; the secret is not.
    let replayed = world.ask(&world.tape(), Mode::Replay, &redaction, &["key of c-77: sk-planted-1234567"]).await;
    assert_eq!(replayed[0][0], Ok(Piece::Text("It is [secret], c-77".into())));
    // Another user's run finds the same exchange, with that user's value.
    let other = Redaction::new(Scrub::default(), vec![("user_id".into(), "c-88".into())], None);
    let replayed = world.ask(&world.tape(), Mode::Replay, &other, &["key of c-88: [secret]"]).await;
    assert_eq!(replayed[0][0], Ok(Piece::Text("It is [secret], c-88".into())));
}

#[tokio::test]
async fn an_answer_that_was_given_up_is_not_on_the_tape() {
    let world = world(&rules());
    let tape = world.tape();
    let deck = Deck::new(tape.clone(), Mode::Record, "a case", Redaction::default(), false);
    let model = TapeModel::new(world.model.clone(), deck);
    let mut session = model.session(Arc::new(SystemClock::new()));
    let request = Request { messages: vec![Message::new(Role::User, "hi")], ..Request::default() };
    let mut answer = session.answer(&request);
    assert!(answer.next().await.is_some());
    drop(answer);
    assert_eq!(tape.recorded(), 0);
}

#[tokio::test]
async fn results_of_reading_tools_are_kept_and_found() {
    let world = world(&rules());
    let tape = world.tape();
    let deck = |mode| Deck::new(tape.clone(), mode, "a case", Redaction::default(), false);
    let args = json!({"b": 1, "a": 2});
    let recording = deck(Mode::Record);
    let (found, nth) = recording.tool("read", &args).unwrap();
    assert!(found.is_none());
    recording.keep_tool("read", &args, nth, Ok(&json!(["row"])));
    tape.save().unwrap();
    let replaying = deck(Mode::Replay);
    assert_eq!(replaying.tool("read", &json!({"a": 2, "b": 1})).unwrap().0, Some(Ok(json!(["row"]))));
    assert!(matches!(replaying.tool("read", &args), Err(ModelError::Miss { .. })), "it was called once only");
}

#[tokio::test]
async fn recordings_at_the_same_time_keep_each_others_exchanges() {
    let world = world(&rules());
    let none = Redaction::default();
    let tapes: Vec<Arc<Tape>> = (0..6).map(|_| world.tape()).collect();
    for (i, tape) in tapes.iter().enumerate() {
        world.ask(tape, Mode::Record, &none, &[&format!("question {i}")]).await;
    }
    std::thread::scope(|scope| {
        for tape in &tapes {
            scope.spawn(|| tape.save().unwrap());
        }
    });
    assert_eq!(world.tape().exchanges().len(), 6);
    // What one takes out, another who opened the file before does not bring back; what is new stays.
    let (late, pruned) = (world.tape(), world.tape());
    world.ask(&pruned, Mode::Replay, &none, &["question 1"]).await;
    assert_eq!(pruned.prune(), 5);
    let other = world.tape();
    world.ask(&other, Mode::Record, &none, &["question 7"]).await;
    other.save().unwrap();
    pruned.save().unwrap();
    late.save().unwrap();
    assert_eq!(world.tape().exchanges().len(), 2);
}

#[test]
fn a_recording_of_nothing_makes_no_file_and_an_endless_one_is_not_read() {
    let world = world(&rules());
    world.tape().save().unwrap();
    assert!(!world.path().exists());
    let endless = world.folder.path().join("endless.jsonl");
    std::fs::File::create(&endless).unwrap().set_len(1 << 40).unwrap();
    let error = Tape::open(&endless, "endless.jsonl").unwrap_err().to_string();
    assert!(error.contains("longer than 64 MB"), "{error}");
}
