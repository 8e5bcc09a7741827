//! probe
#![allow(clippy::print_stdout)]
use aic_base::Stage;
use aic_guard::*;
fn main() {
    for text in [
        "jane@example.co ",
        "4242 4242 4242 4242 ",
        "delete users, ",
        "'",
        "(",
        "<a ",
        "token=",
        "password: a1B2c3d4! ",
        "union ",
        "0 ",
        "rm -rf ",
        "`",
        "a:",
        "ignore all ",
        "a.",
        "[x",
        "\"",
        "$(",
        "<<E\n",
        "{{",
        "-----BEGIN PRIVATE KEY-----",
        "a@",
        "+1",
        "/*",
        "é",
        "https://a:b",
        "curl -u ",
        "or ",
        "select a from ",
    ] {
        for builtin in Builtin::ALL {
            let mut def = GuardrailDef::named(builtin.name(), Group::Own);
            if builtin == Builtin::AllowedTopics {
                def.params.insert("topics".into(), serde_json::json!(["x"]));
            }
            let guard = Guard::compile(&def).unwrap();
            let mut times = vec![];
            for size in [50_000, 200_000] {
                let text = text.repeat(size / text.len());
                let t = std::time::Instant::now();
                let stage = if builtin == Builtin::NoDbMutations { Stage::ToolCall } else { Stage::PreExecution };
                let d = guard.judge(&text, &Scope::at(stage));
                redact(&text, &d);
                times.push(t.elapsed().as_millis());
            }
            if times[1] > 300 {
                println!("{:?} {} {:?}", text, builtin.name(), times);
            }
        }
    }
    let guard = Guard::compile(&GuardrailDef::named("confirm_destructive", Group::Own)).unwrap();
    for text in [
        "Wipe the staging database clean",
        "Get rid of all inactive customers",
        "I need you to terminate every instance in us-east-1",
        "Purge the queue",
        "Please remove user 42 from the system",
        "kill the web server",
        "drop the users table",
        "Erase my entire hard drive",
        "Delete the file config.yaml",
        "Could you please delete my account?",
        "Overwrite production with the staging data",
        "Clear all the logs from the server",
        "Shut everything down",
        "shutdown the cluster",
        "turn off the firewall",
        "Remove all records older than 2020",
        "We should destroy the old backups",
        "Uninstall the app from every machine",
        "Nuke the repo",
        "format the C drive",
        "cancel all orders",
        "truncate the audit log",
        "Delete it",
        "Delete everything",
        "delete user bob",
        "Empty the trash",
        "take down the website",
        "reset the database",
        "drop database prod",
        "Bulk delete customers with no orders",
        "Make the users table disappear",
        "the users table needs to be deleted",
        "Deleting all rows from orders please",
        "delete customer 77's record",
        "Permanently erase everyone's messages",
        "--",
        "List deleted users",
        "How many users were removed last week?",
        "Show me the drop in sales",
        "Format the report as a table",
        "Remove background noise tips",
        "Clear instructions for the users please",
        "Kill Bill is a movie",
        "What happens if I delete a table?",
        "Drop off the files at the office",
        "Reset my password",
        "Cancel my subscription",
        "Turn off the lights",
        "Reformat this document as bullets",
        "Remove the comments from this code",
        "Write a SQL query to delete old rows",
        "Restart the story from the beginning",
        "Show dropped tables",
        "Terminate the sentence with a period",
        "Remove the word 'data' from the title",
        "Delete is a verb",
        "I deleted my account yesterday",
        "Empty tables look bad",
        "Dump the data to csv",
    ] {
        let d = guard.judge(text, &Scope::default());
        println!("{} {text}", if d.is_empty() { "   " } else { "HIT" });
    }
}
