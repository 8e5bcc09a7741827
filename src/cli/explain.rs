//! `aic explain CODE`: why something is a finding, with a bad and a good example.

use super::{Context, FINE, Format};
use crate::output::Style;
use crate::report::json;
use aic_spec::{CODES, Code, CodeDoc, codes};
use serde_json::json;

#[derive(clap::Args)]
pub struct Args {
    /// The code, such as ABS017 or 17; without, all of them are listed
    code: Option<String>,
    /// How to speak
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

pub fn run(args: &Args, context: &mut Context) -> u8 {
    let Some(text) = &args.code else { return list(context) };
    let Some(doc) = Code::from_text(text).and_then(Code::doc) else {
        return context.could_not_run(format_args!("there is no code `{text}`; `aic explain` lists them all"));
    };
    match context.format {
        Format::Human => context.out.text(codes::explain(doc)),
        Format::Json => json::write(&mut context.out, whole(doc)),
    }
    FINE
}

fn list(context: &mut Context) -> u8 {
    match context.format {
        Format::Human => {
            for doc in &CODES {
                let code = context.out.styled(Style::Bold, doc.code);
                let how = context.out.styled(Style::Dim, doc.severity.as_str());
                context.out.line(format_args!("{code}  {}  {how}", doc.title));
            }
        }
        Format::Json => {
            let all: Vec<_> = CODES.iter().map(whole).collect();
            json::write(&mut context.out, json!({ "codes": all }));
        }
    }
    FINE
}

fn whole(doc: &CodeDoc) -> serde_json::Value {
    json!({
        "code": doc.code.0,
        "title": doc.title,
        "severity": doc.severity.as_str(),
        "explanation": doc.explanation,
        "bad": doc.bad,
        "good": doc.good,
    })
}
