//! Embeddings and vector stores against servers that speak their interfaces: what is kept is found again, by its owner
//! only; the key stands in its header and nowhere else; what goes wrong is said.

use crate::support::{PLANTED, Planted, Seen, Server, Step, answer};
use aic_base::Timestamp;
use aic_model::{
    Embedder, HttpEmbedder, Kind, MemoryVectors, ModelError, Network, Pinecone, Qdrant, Remembered, VectorError,
    Vectors, similarity,
};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

fn said(text: &str, who: &str) -> Remembered {
    let (at, embedding) = (Timestamp::from_millis(1_000), "test/e".to_owned());
    Remembered { who: who.into(), embedding, text: text.into(), at, keep_until: None, tainted: false }
}

fn json_answer(status: &str, body: &Value) -> Vec<Step> {
    vec![Step::Say(answer(status, &[("content-type", "application/json")], &body.to_string()))]
}

fn floats(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
}

/// A Qdrant with collections, points and queries, by its published REST interface.
async fn qdrant() -> Server {
    type Points = Vec<(Vec<f32>, Value)>;
    let state: Mutex<Option<(u64, Points)>> = Mutex::default();
    Server::answering(move |seen: &Seen| {
        let mut state = state.lock().unwrap();
        let method = seen.head.split(' ').next().unwrap().to_owned();
        let path = seen.path().split('?').next().unwrap().to_owned();
        let ok = |result: Value| json_answer("200 OK", &json!({"result": result, "status": "ok", "time": 0.001}));
        let missing = json!({"status": {"error": "Not found: Collection `notes` doesn't exist!"}, "time": 0.0});
        match (method.as_str(), path.as_str(), &mut *state) {
            ("PUT", "/collections/notes", state) => {
                let body = seen.json();
                assert_eq!(body["vectors"]["distance"], "Cosine");
                *state = Some((body["vectors"]["size"].as_u64().unwrap(), Points::new()));
                ok(json!(true))
            }
            (_, _, None) => json_answer("404 Not Found", &missing),
            ("PUT", "/collections/notes/points", Some((size, points))) => {
                for point in seen.json()["points"].as_array().unwrap() {
                    let vector = floats(&point["vector"]);
                    assert_eq!(vector.len() as u64, *size);
                    let id = point["id"].as_str().unwrap();
                    assert_eq!(id.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "a UUID: {id}");
                    points.push((vector, point["payload"].clone()));
                }
                ok(json!({"operation_id": 0, "status": "completed"}))
            }
            ("POST", "/collections/notes/points/query", Some((_, points))) => {
                let body = seen.json();
                let query = floats(&body["query"]);
                let must = body["filter"]["must"].as_array().unwrap();
                let fits = |payload: &Value| {
                    must.iter().all(|one| payload[one["key"].as_str().unwrap()] == one["match"]["value"])
                };
                let mut found: Vec<(f32, &Value)> = points
                    .iter()
                    .filter(|(_, payload)| fits(payload))
                    .map(|(vector, payload)| (similarity(&query, vector), payload))
                    .collect();
                found.sort_by(|a, b| b.0.total_cmp(&a.0));
                found.truncate(body["limit"].as_u64().unwrap() as usize);
                let points: Vec<Value> = found
                    .iter()
                    .map(|(score, payload)| json!({"id": 1, "version": 3, "score": score, "payload": payload}))
                    .collect();
                ok(json!({ "points": points }))
            }
            other => panic!("{:?}", (other.0, other.1)),
        }
    })
    .await
}

/// A Pinecone index, by its published data plane.
async fn pinecone() -> Server {
    let state: Mutex<Vec<(String, Vec<f32>, Value)>> = Mutex::default();
    Server::answering(move |seen: &Seen| {
        let mut state = state.lock().unwrap();
        assert!(seen.head.to_ascii_lowercase().contains("x-pinecone-api-version: 2025-01"), "{}", seen.head);
        let body = seen.json();
        let namespace = body["namespace"].as_str().unwrap().to_owned();
        match seen.path() {
            "/vectors/upsert" => {
                for vector in body["vectors"].as_array().unwrap() {
                    let metadata = vector["metadata"].as_object().unwrap();
                    assert!(metadata.values().all(|value| !value.is_null() && !value.is_object()), "{metadata:?}");
                    state.push((namespace.clone(), floats(&vector["values"]), vector["metadata"].clone()));
                }
                json_answer("200 OK", &json!({"upsertedCount": 1}))
            }
            "/query" => {
                let query = floats(&body["vector"]);
                let filter = body["filter"].as_object().unwrap();
                let mut found: Vec<Value> = state
                    .iter()
                    .filter(|(space, _, meta)| {
                        *space == namespace && filter.iter().all(|(key, is)| meta[key.as_str()] == is["$eq"])
                    })
                    .map(|(_, vector, meta)| json!({"id": "x", "score": similarity(&query, vector), "values": [], "metadata": meta}))
                    .collect();
                found.sort_by(|a, b| b["score"].as_f64().unwrap().total_cmp(&a["score"].as_f64().unwrap()));
                found.truncate(body["topK"].as_u64().unwrap() as usize);
                json_answer("200 OK", &json!({"matches": found, "namespace": namespace, "usage": {"readUnits": 1}}))
            }
            other => panic!("{other}"),
        }
    })
    .await
}

async fn keeps_and_finds(vectors: &dyn Vectors) {
    let now = Timestamp::from_millis(2_000);
    let nothing = vectors.nearest(&[1.0, 0.0], "ann", "test/e", 3, now).await.unwrap();
    assert_eq!(nothing, []);
    let over = Remembered { keep_until: Some(Timestamp::from_millis(1_500)), ..said("over", "ann") };
    let other_kind = Remembered { embedding: "other/e".into(), ..said("another space", "ann") };
    for (vector, what) in [
        ([1.0, 0.0], said("east", "ann")),
        ([0.0, 1.0], said("north", "ann")),
        ([0.8, 0.6], said("north-east", "ann")),
        ([1.0, 0.0], said("not hers", "bob")),
        ([1.0, 0.0], over),
        ([1.0, 0.0], other_kind),
    ] {
        vectors.add(&vector, &what).await.unwrap();
    }
    let found = vectors.nearest(&[1.0, 0.0], "ann", "test/e", 3, now).await.unwrap();
    let found: Vec<(&str, bool)> = found.iter().map(|(score, it)| (it.text.as_str(), *score > 0.7)).collect();
    // A server may count what is over among those it was asked for; it is never shown.
    assert!(found.starts_with(&[("east", true), ("north-east", true)]), "{found:?}");
    assert!(found.iter().all(|(text, _)| ["east", "north-east", "north"].contains(text)), "{found:?}");
}

#[tokio::test]
async fn what_is_kept_is_found_again_nearest_first_and_only_by_its_owner() {
    keeps_and_finds(&MemoryVectors::default()).await;
    let server = qdrant().await;
    let key = Some("THE_KEY".to_owned());
    keeps_and_finds(&Qdrant::new(&server.url(), "notes", key.clone(), Network::new(), Arc::new(Planted)).unwrap())
        .await;
    for seen in server.seen() {
        assert!(seen.head.contains(&format!("api-key: {PLANTED}")) && !seen.body.contains(PLANTED));
    }
    let server = pinecone().await;
    keeps_and_finds(&Pinecone::new(&server.url(), "notes", key, Network::new(), Arc::new(Planted)).unwrap()).await;
    for seen in server.seen() {
        assert!(seen.head.contains(&format!("api-key: {PLANTED}")) && !seen.body.contains(PLANTED));
    }
}

#[tokio::test]
async fn what_a_vector_store_says_against_it_is_told_without_the_key() {
    let body = json!({"status": {"error": format!("Wrong input: expected dim: 3, got 2 ({PLANTED})")}});
    let server = Server::start(vec![json_answer("400 Bad Request", &body)]).await;
    let key = Some("THE_KEY".to_owned());
    let qdrant = Qdrant::new(&server.url(), "notes", key, Network::new(), Arc::new(Planted)).unwrap();
    let error = qdrant.add(&[1.0, 0.0], &said("x", "ann")).await.unwrap_err();
    assert!(matches!(error, VectorError::Server(ModelError::Status { status: 400, .. })), "{error:?}");
    assert!(!format!("{error:?} {error}").contains(PLANTED), "{error}");
    let nobody = Qdrant::new("http://127.0.0.1:1", "notes", None, Network::new(), Arc::new(Planted)).unwrap();
    let error = nobody.nearest(&[1.0], "ann", "e", 1, Timestamp::default()).await.unwrap_err();
    assert!(matches!(error, VectorError::Server(ModelError::Connect { .. })), "{error:?}");
}

#[test]
fn an_address_that_cannot_be_one_and_a_name_that_breaks_out_of_one_are_refused() {
    let make = |url: &str, name: &str| Qdrant::new(url, name, None, Network::new(), Arc::new(Planted)).map(|_| ());
    assert!(make("http://127.0.0.1:6333", "notes").is_ok());
    for (url, name) in
        [("nowhere", "n"), ("ftp://host", "n"), ("http://u:p@host", "n"), ("http://host", "../x"), ("http://host", "")]
    {
        assert!(matches!(make(url, name), Err(ModelError::Setup { .. })), "{url} {name}");
    }
}

fn embedder(url: &str) -> HttpEmbedder {
    let key = Some("THE_KEY".to_owned());
    HttpEmbedder::new(Kind::Compatible, "e", Some(url), key, None, Network::new(), Arc::new(Planted)).unwrap()
}

#[tokio::test]
async fn a_text_is_embedded_by_any_server_that_speaks_openais_format() {
    let body = json!({
        "object": "list", "model": "e-1",
        "data": [{"object": "embedding", "index": 0, "embedding": [3.0, 4.0]}],
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    });
    for path in ["", "/v1", "/v1/"] {
        let server = Server::start(vec![json_answer("200 OK", &body)]).await;
        let embedded =
            Embedder::Http(Box::new(embedder(&format!("{}{path}", server.url())))).embed("Hello").await.unwrap();
        assert_eq!((embedded.vector, embedded.tokens), (vec![0.6, 0.8], Some(7)));
        let seen = &server.seen()[0];
        assert_eq!((seen.path(), seen.json()["input"][0].as_str()), ("/v1/embeddings", Some("Hello")));
        assert!(seen.head.contains(&format!("Bearer {PLANTED}")));
    }
}

#[tokio::test]
async fn embeddings_in_bad_weather_are_clear_errors() {
    for (status, body) in [
        ("200 OK", json!({"data": []})),
        ("200 OK", json!({"data": [{"embedding": ["a"]}]})),
        ("200 OK", json!({"data": [{"embedding": []}]})),
        ("200 OK", json!(null)),
        ("429 Too Many Requests", json!({"error": {"message": format!("slow down {PLANTED}")}})),
        ("302 Found", json!({})),
    ] {
        let server = Server::start(vec![json_answer(status, &body)]).await;
        let error = Embedder::Http(Box::new(embedder(&server.url()))).embed("Hello").await.unwrap_err();
        assert!(!format!("{error:?}").contains(PLANTED), "{error:?}");
    }
}
