//! From the spec's prompts and a conversation to the messages that a model is shown.

use crate::options::RunOptions;
use aic_base::Tokens;
use aic_model::{Message, Role};
use aic_spec::{Prompts, Spec, Template, Text, ValueFrom};
use serde_json::{Map, Value};

/// Finds the values of `${NAMES}` for one turn.
pub(crate) struct Variables<'a> {
    pub prompts: &'a Prompts,
    pub options: &'a RunOptions,
    /// The turn's own, which come first.
    pub turn: &'a Map<String, Value>,
    pub input: &'a str,
}

impl Variables<'_> {
    /// The value of one variable.
    pub fn value(&self, name: &str) -> Option<String> {
        let now = self.options.clock.now();
        match name {
            "INPUT" => return Some(self.input.to_owned()),
            "DATE" => return Some(now.date()),
            "TIME" => return Some(now.time()),
            // Documents are not searched by this version, which the check says.
            "CONTEXT" => return Some(String::new()),
            _ => {}
        }
        let given = self.turn.get(name).or_else(|| self.options.vars.get(name));
        if let Some(value) = given {
            return Some(match value {
                Value::String(text) => text.clone(),
                value => value.to_string(),
            });
        }
        let declared = self.prompts.variables.get(name);
        let from_env = declared.and_then(|variable| match &variable.from {
            ValueFrom::Env(variable) => (self.options.env)(variable),
            ValueFrom::Default | ValueFrom::Caller => None,
        });
        let default = || declared.and_then(|variable| variable.default.clone());
        match name {
            "ENV" => Some(self.options.environment.clone()),
            _ => from_env.or_else(default),
        }
    }

    /// A text with its variables filled in.
    pub fn fill(&self, text: &str) -> Result<String, String> {
        Template::parse(text)
            .render(|name| self.value(name))
            .map_err(|missing| format!("the prompt cannot be filled in: {missing}"))
    }
}

/// An address with its variables filled in; a turn's own do not reach it, as a conversation stays with its model.
pub(crate) fn fill_address(text: &str, prompts: &Prompts, options: &RunOptions) -> Result<String, String> {
    let variables = Variables { prompts, options, turn: &Map::new(), input: "" };
    Template::parse(text)
        .render(|name| variables.value(name).filter(|_| !matches!(name, "INPUT" | "CONTEXT")))
        .map_err(|missing| format!("`base_url` cannot be filled in: {missing}"))
}

/// The messages of one model call: instructions, conversation so far, and what the user says now.
pub(crate) fn messages(
    spec: &Spec,
    options: &RunOptions,
    variables: &Variables<'_>,
    history: &[Message],
) -> Result<Vec<Message>, String> {
    let prompts = &spec.prompts;
    let variant = match &options.variant {
        None => None,
        Some(name) if name == "default" => None,
        Some(name) => {
            Some(prompts.variants.get(name).ok_or_else(|| format!("the spec has no prompt variant `{name}`"))?)
        }
    };
    let system = variant.and_then(|variant| variant.system.as_ref()).or(prompts.system.as_ref());
    let user = variant.and_then(|variant| variant.user.as_ref()).or(prompts.user.as_ref());

    let mut messages = Vec::new();
    let mut last_user = None;
    if prompts.messages.is_empty() {
        let mut text = system.map(|text| variables.fill(&text.text)).transpose()?.unwrap_or_default();
        append_constraints(&mut text, prompts, variables)?;
        if !text.trim().is_empty() {
            messages.push(Message::new(Role::System, text));
        }
    } else {
        let mut given = Vec::new();
        for message in &prompts.messages {
            let role = match message.role {
                aic_spec::Role::System => Role::System,
                aic_spec::Role::User => Role::User,
                aic_spec::Role::Assistant => Role::Assistant,
            };
            given.push(Message::new(role, variables.fill(&message.text.text)?));
        }
        if let Some(system) = given.iter_mut().find(|message| message.role == Role::System) {
            append_constraints(&mut system.text, prompts, variables)?;
        }
        // History goes before the last user message.
        if given.last().is_some_and(|message| message.role == Role::User) {
            last_user = given.pop();
        }
        messages = given;
    }
    messages.extend(history.iter().cloned());
    let last_user = match last_user {
        Some(message) => message,
        None => Message::new(Role::User, variables.fill(user.map_or("${INPUT}", |text: &Text| &text.text))?),
    };
    messages.push(last_user);
    Ok(messages)
}

fn append_constraints(text: &mut String, prompts: &Prompts, variables: &Variables<'_>) -> Result<(), String> {
    for (i, constraint) in prompts.constraints.iter().enumerate() {
        if !text.is_empty() {
            text.push_str(if i == 0 { "\n\n" } else { "\n" });
        }
        text.push_str(&format!("{}. {}", i + 1, variables.fill(constraint)?));
    }
    Ok(())
}

/// Takes the oldest turns out until the estimate fits the window. The instructions and the last user turn stay.
pub(crate) fn trim(messages: &mut Vec<Message>, most: Option<Tokens>) -> usize {
    let Some(most) = most else { return 0 };
    let size = |messages: &[Message]| messages.iter().fold(Tokens(0), |sum, message| sum + message.estimated_tokens());
    let mut removed = 0;
    while size(messages) > most {
        let turns: Vec<usize> =
            messages.iter().enumerate().filter(|(_, message)| message.role == Role::User).map(|(at, _)| at).collect();
        let [first, second, ..] = turns.as_slice() else { break };
        removed += second - first;
        messages.drain(*first..*second);
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_turns_go_first_and_the_last_one_stays() {
        let long = "x".repeat(400);
        let mut messages = vec![Message::new(Role::System, "s")];
        for i in 0..4 {
            messages.push(Message::new(Role::User, format!("{i} {long}")));
            messages.push(Message::assistant(long.clone(), Vec::new()));
        }
        messages.push(Message::new(Role::User, format!("last {long}")));
        assert_eq!(trim(&mut messages.clone(), None), 0);
        trim(&mut messages, Some(Tokens(350)));
        let texts: Vec<&str> = messages.iter().map(|message| &message.text[..1]).collect();
        assert_eq!(texts, ["s", "3", "x", "l"]);
        trim(&mut messages, Some(Tokens(1)));
        assert_eq!(messages.len(), 2);
    }
}
