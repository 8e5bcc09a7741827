//! What a cap is against servers that are wrong, silent, or stopped: it holds, and what was spent is written down.

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn with_purse(spec: &str, dollars: f64) -> Arc<Container> {
    container_with(spec, Access::Live, Some(Arc::new(Purse::new(Usd::from_dollars(dollars)))))
}

fn endless(delta: &str) -> Vec<Step> {
    let piece = format!("data: {{\"choices\":[{{\"delta\":{delta}}}]}}\n\n");
    vec![Step::Say(streaming(Kind::OpenAi)), Step::Repeat(piece.into())]
}

/// An answer without any usage.
fn silent() -> Vec<Step> {
    well(&OK.lines().filter(|line| !line.contains("usage")).collect::<Vec<_>>().join("\n\n"))
}

fn alerts(report: &TurnReport) -> Vec<Usd> {
    let of = |event: &Event| if let EventKind::CostAlert { spent, .. } = event.kind { Some(spent) } else { None };
    report.events.iter().filter_map(of).collect()
}

#[tokio::test]
async fn the_sessions_purse_is_a_cap_like_any_other() {
    // A model of unknown price is not called, and the message names it.
    let server = Server::start(vec![well(OK)]).await;
    let refused = run(&with_purse(&spec(&server, ""), 1.0), &Arc::default()).await;
    assert!(refused.output.contains("the price of `primary` is unknown"), "{}", refused.output);
    // What an expectation says of it is no verdict.
    assert!(refused.broken.is_some());
    assert!(server.seen().is_empty());
    // A longest answer is asked for.
    run(&with_purse(&spec(&server, PRICED), 10.0), &Arc::default()).await;
    assert_eq!(server.seen()[0].json()["max_tokens"], 4096);
    // And what goes on beyond it is cut.
    let server = Server::start(vec![endless("{\"content\":\" abc\"}")]).await;
    let report =
        run(&with_purse(&spec(&server, &format!("{PRICED}    max_tokens: 50\n")), 10.0), &Arc::default()).await;
    assert!(report.output.contains("ignores `max_tokens`"), "{}", report.output);
    server.empty().await;
}

#[tokio::test]
async fn a_recorded_answer_of_a_model_whose_price_nobody_knows_is_told_apart_from_one_that_is_free() {
    let server = Server::start(vec![well(OK)]).await;
    let folder = tempfile::tempdir().unwrap();
    let own = spec(&server, "");
    let (tape_, access) = tape(&folder, Mode::Record);
    // Nobody charges for a server of one's own.
    assert!(run(&container_with(&own, access, None), &Arc::default()).await.unpriced.is_empty());
    tape_.save().unwrap();
    let (_, access) = tape(&folder, Mode::Replay);
    let elsewhere = own.replace(&server.url(), "https://models.example.com/v1");
    let replayed = run(&container_with(&elsewhere, access, None), &Arc::default()).await;
    assert_eq!((replayed.output.as_str(), &replayed.unpriced[..]), ("Hi there.", &["primary".to_owned()][..]));
}

#[tokio::test]
async fn what_came_before_an_answer_was_cut_is_spent_thinking_included() {
    for (delta, least) in [("{\"content\":\" abc\"}", 0.09), ("{\"reasoning_content\":\"thinking hard, \"}", 0.09)] {
        let server = Server::start(vec![endless(delta)]).await;
        let cap = format!("{PRICED}    max_tokens: 50\nguardrails: [{{cost_limit: $10/hour}}]\n");
        let counters: Arc<MemoryCounters> = Arc::default();
        let report = run(&container(&spec(&server, &cap)), &counters).await;
        assert!(report.output.contains("ignores `max_tokens`"), "{}", report.output);
        // More than the five cents that were held.
        assert!(report.cost > Usd::from_dollars(least), "{}", report.cost);
        assert_eq!(counters.sum("cost/real", HOUR, Timestamp::default()).unwrap(), report.cost.pico());
        assert_eq!(server.seen().len(), 1);
        server.empty().await;
    }
}

#[tokio::test]
async fn a_long_request_of_dearer_tokens_stays_within_the_runs_budget() {
    let server = Server::answering(|seen| {
        let most = seen.json()["generationConfig"]["maxOutputTokens"].as_u64().unwrap();
        let said = format!(
            "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"ok\"}}]}},\"finishReason\":\"STOP\"}}],\
             \"usageMetadata\":{{\"promptTokenCount\":201100,\"candidatesTokenCount\":{most}}}}}\n\n"
        );
        vec![Step::Say(streaming(Kind::Google)), Step::Say(said.into())]
    })
    .await;
    let spec = format!(
        "name: real\nmodels:\n  primary: {{provider: google, model: gemini-2.5-pro, base_url: {}, api_key_env: THE_KEY, \
         max_tokens: 60000}}\nprompts: {{system: {}}}\nbudget: {{cost: 0.60}}\n",
        server.url(),
        "x".repeat(201_100)
    );
    let report = run_alone(&spec).await;
    assert_eq!(report.outcome, Outcome::Completed, "{}", report.output);
    let dollars = Usd::from_dollars;
    assert!(report.cost <= dollars(0.60) && report.cost > dollars(0.55), "{}", report.cost);
}

#[tokio::test]
async fn a_cap_that_only_warns_counts_what_it_lets_through() {
    let greedy = OK.replace("\"completion_tokens\":5,\"total_tokens\":15", "\"completion_tokens\":11000");
    let server = Server::start(vec![well(&greedy)]).await;
    let cap = "guardrails: {runtime: [{name: cost_control, max_cost_per_hour: 0.01, action: warn}]}\n";
    let container = container(&spec(&server, &format!("{PRICED}    max_tokens: 100\n{cap}")));
    let counters: Arc<MemoryCounters> = Arc::default();
    let first = run(&container, &counters).await;
    assert!(first.decisions[0].reason.starts_with("$0 spent"), "{}", first.decisions[0].reason);
    let second = run(&container, &counters).await;
    assert!(second.decisions[0].reason.starts_with("$11.0"), "{}", second.decisions[0].reason);
    let sum = counters.sum("cost/real", HOUR, Timestamp::default()).unwrap();
    assert_eq!(sum, first.cost.pico() + second.cost.pico());
}

#[tokio::test]
async fn the_mark_before_a_cap_is_told_where_usage_never_came() {
    let half = well("data: {\"choices\":[{\"delta\":{\"content\":\"Half of\"}}]}\n\n");
    for reply in [silent(), half] {
        let server = Server::start(vec![reply]).await;
        let cap = "guardrails: {runtime: [{name: cost_control, max_cost_per_hour: 1.00, alert_at: 0.01}]}\n";
        let report = run_alone(&spec(&server, &format!("{PRICED}    max_tokens: 100\n{cap}"))).await;
        assert_eq!(alerts(&report), [report.cost]);
    }
}

#[tokio::test]
async fn a_call_that_was_stopped_on_its_way_costs_what_was_held() {
    let options = RunOptions { counters: Arc::new(MemoryCounters::default()), ..RunOptions::live(".".into()) };
    let cancel = options.cancel.clone();
    let server = Server::answering(move |_| {
        cancel.cancel();
        vec![Step::Hang]
    })
    .await;
    let container = container(&spec(&server, &format!("{PRICED}    max_tokens: 100\n")));
    let mut talk = container.conversation(options.clone()).unwrap();
    let report = talk.turn("Hello?", &Map::new(), &Answers::new()).await;
    assert_eq!(report.output, "cancelled");
    assert!(report.cost >= Usd::from_dollars(0.1), "{}", report.cost);
    let ended = report.events.last().map(|event| event.kind.clone());
    assert!(matches!(ended, Some(EventKind::RunEnded { cost, .. }) if cost == report.cost));
    assert_eq!(options.counters.sum("cost/real", HOUR, options.clock.now()).unwrap(), report.cost.pico());
}

#[tokio::test]
async fn a_list_price_beside_which_requests_cost_something_is_none_under_a_cap() {
    let server = Server::start(vec![well(OK)]).await;
    let asked = |pricing: &str| {
        format!(
            "name: real\nmodels: {{primary: {{provider: openai, model: gpt-4o-search-preview, base_url: {}, \
             api_key_env: THE_KEY{pricing}}}}}\nbudget: {{cost: 1}}\n",
            server.url()
        )
    };
    let refused = run_alone(&asked("")).await;
    assert!(refused.output.contains("`primary` charges for requests or searches"), "{}", refused.output);
    let own = run_alone(&asked(", pricing: {input_per_mtok: 5, output_per_mtok: 20}")).await;
    assert_eq!((own.outcome, server.seen().len()), (Outcome::Completed, 1), "{}", own.output);
}
