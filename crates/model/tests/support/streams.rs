//! One answer in every format: some text with an accent, a tool call, usage; as the public documentation shows them,
//! with the odd things that real servers add.

use aic_model::Kind;

/// `Grüße, ` and `you.`, then `lookup({"id": 7})`; 25 tokens in, 15 out.
pub fn answer(kind: Kind) -> &'static str {
    match kind {
        Kind::OpenAi | Kind::Compatible => OPENAI,
        Kind::Responses => RESPONSES,
        Kind::Anthropic => ANTHROPIC,
        Kind::Google => GOOGLE,
        Kind::Ollama => OLLAMA,
    }
}

/// How many of the input tokens were cached, and of the output reasoned.
pub const fn cached(kind: Kind) -> (u64, u64) {
    match kind {
        Kind::OpenAi | Kind::Compatible | Kind::Responses => (10, 4),
        Kind::Anthropic => (10, 0),
        Kind::Google => (10, 4),
        Kind::Ollama => (0, 0),
    }
}

/// The first words of an answer, without its end.
pub fn beginning(kind: Kind) -> &'static str {
    match kind {
        Kind::OpenAi | Kind::Compatible => {
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Half of\"}}]}\n\n"
        }
        Kind::Responses => {
            "data: {\"type\":\"response.output_text.delta\",\"output_index\":0,\"delta\":\"Half of\"}\n\n"
        }
        Kind::Anthropic => {
            "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Half of\"}}\n\n"
        }
        Kind::Google => "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Half of\"}]}}]}\n\n",
        Kind::Ollama => "{\"message\":{\"role\":\"assistant\",\"content\":\"Half of\"},\"done\":false}\n",
    }
}

/// An error told in the middle of a stream.
pub fn broken_off(kind: Kind) -> &'static str {
    match kind {
        Kind::OpenAi | Kind::Compatible => {
            "data: {\"error\":{\"message\":\"The server had an error\",\"type\":\"server_error\",\"code\":null}}\n\n"
        }
        Kind::Responses => {
            "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"The server had an error\"}}}\n\n"
        }
        Kind::Anthropic => {
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n"
        }
        Kind::Google => {
            "data: {\"error\":{\"code\":503,\"message\":\"The model is overloaded.\",\"status\":\"UNAVAILABLE\"}}\n\n"
        }
        Kind::Ollama => "{\"error\":\"an error was encountered while running the model: server_error 503\"}\n",
    }
}

const OPENAI: &str = r#": a comment that keeps the connection alive

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"the-model-0613","system_fingerprint":"fp_44709d6fcb","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"usage":null}

data: {"id":"chatcmpl-1","choices":null,"usage":{}}

data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{"content":"Grüße, "},"finish_reason":""}],"from_the_future":{"x":[1]}}

data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{"content":"you."},"finish_reason":null},{"index":1,"delta":{"content":"another choice"}}]}

event: unknown.event
data: {"something":"else"}

data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{"content":null,"tool_calls":[{"index":0,"id":"call_abc","type":"function","function":{"name":"lookup","arguments":""}}]},"finish_reason":null}]}

data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"id\""}}]}}]}

data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":": 7}"}}]}}]}

data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}

data: {"id":"chatcmpl-1","choices":[],"usage":{"prompt_tokens":25,"completion_tokens":15,"total_tokens":40,"prompt_tokens_details":{"cached_tokens":10},"completion_tokens_details":{"reasoning_tokens":4}}}

data: [DONE]

"#;

const RESPONSES: &str = r#"event: response.created
data: {"type":"response.created","sequence_number":0,"response":{"id":"resp_1","status":"in_progress","model":"the-model-0613","usage":null}}

event: response.output_item.added
data: {"type":"response.output_item.added","output_index":0,"item":{"id":"msg_1","type":"message","status":"in_progress","role":"assistant","content":[]}}

event: response.output_text.delta
data: {"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"content_index":0,"delta":"Grüße, "}

event: response.output_text.delta
data: {"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"content_index":0,"delta":"you."}

event: response.output_text.done
data: {"type":"response.output_text.done","item_id":"msg_1","output_index":0,"content_index":0,"text":"Grüße, you."}

event: response.output_item.done
data: {"type":"response.output_item.done","output_index":0,"item":{"id":"msg_1","type":"message","status":"completed","content":[{"type":"output_text","text":"Grüße, you."}]}}

event: response.from_the_future
data: {"type":"response.from_the_future","anything":true}

event: response.output_item.added
data: {"type":"response.output_item.added","output_index":1,"item":{"id":"fc_1","type":"function_call","status":"in_progress","arguments":"","call_id":"call_abc","name":"lookup"}}

event: response.function_call_arguments.delta
data: {"type":"response.function_call_arguments.delta","item_id":"fc_1","output_index":1,"delta":"{\"id\""}

event: response.function_call_arguments.delta
data: {"type":"response.function_call_arguments.delta","item_id":"fc_1","output_index":1,"delta":": 7}"}

event: response.function_call_arguments.done
data: {"type":"response.function_call_arguments.done","item_id":"fc_1","output_index":1,"arguments":"{\"id\": 7}"}

event: response.output_item.done
data: {"type":"response.output_item.done","output_index":1,"item":{"id":"fc_1","type":"function_call","arguments":"{\"id\": 7}","call_id":"call_abc","name":"lookup"}}

event: response.completed
data: {"type":"response.completed","response":{"id":"resp_1","status":"completed","incomplete_details":null,"usage":{"input_tokens":25,"input_tokens_details":{"cached_tokens":10},"output_tokens":15,"output_tokens_details":{"reasoning_tokens":4},"total_tokens":40}}}

"#;

const ANTHROPIC: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"model":"the-model-0613","stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":12,"cache_creation_input_tokens":3,"cache_read_input_tokens":10,"output_tokens":1}}}

event: ping
data: {"type":"ping"}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Grüße, "}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"you."}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: an_event_to_come
data: {"type":"an_event_to_come","index":9}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"call_abc","name":"lookup","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"id\""}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":": 7}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":15}}

event: message_stop
data: {"type":"message_stop"}

"#;

const GOOGLE: &str = r#"data: {"candidates":[{"content":{"parts":[{"text":"a thought","thought":true}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":25,"totalTokenCount":25},"modelVersion":"the-model-0613","responseId":"r1"}

data: {"candidates":[{"content":{"parts":[{"text":"Grüße, "}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":25,"candidatesTokenCount":3,"totalTokenCount":28}}

data: {"candidates":[{"content":{"parts":[{"text":"you."}],"role":"model"},"index":0,"safetyRatings":[{"category":"X"}]}]}

data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"lookup","args":{"id":7}},"thoughtSignature":"c2lnbmF0dXJl"}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":25,"candidatesTokenCount":11,"totalTokenCount":40,"thoughtsTokenCount":4,"cachedContentTokenCount":10}}

"#;

const OLLAMA: &str = r#"{"model":"the-model-0613","created_at":"2025-01-01T00:00:00Z","message":{"role":"assistant","content":"Grüße, "},"done":false}
{"model":"the-model-0613","message":{"role":"assistant","content":"you."},"done":false,"from_the_future":1}
{"model":"the-model-0613","message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"lookup","arguments":{"id":7}}}]},"done":false}
{"model":"the-model-0613","message":{"role":"assistant","content":""},"done_reason":"stop","done":true,"total_duration":4883583458,"prompt_eval_count":25,"eval_count":15}
"#;
