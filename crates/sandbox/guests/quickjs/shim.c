/* The QuickJS guest: what the host calls, and what a script finds besides the language. The contract is in
 * ../README.md. quickjs.c is included, not linked, because on WASI it sets no stack limit and seeds Math.random when
 * the context is made (before the snapshot, so that every run would draw the same numbers); both are private to it. */
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <wasi/api.h>

/* ---- memory ------------------------------------------------------------------------------------------------ */

/* Counted here and not by the engine, so that an exception that says "out of memory" can be told from the real one. */
static size_t memory_used;
static size_t memory_limit = SIZE_MAX;
static int memory_denied;

static int memory_fits(size_t more)
{
    if (memory_used <= memory_limit && more <= memory_limit - memory_used)
        return 1;
    memory_denied = 1;
    return 0;
}

static void *counted(void *block)
{
    if (block)
        memory_used += malloc_usable_size(block);
    else
        memory_denied = 1;
    return block;
}

static void *counted_malloc(void *opaque, size_t size)
{
    return memory_fits(size) ? counted(malloc(size)) : NULL;
}

static void *counted_calloc(void *opaque, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    return memory_fits(bytes) ? counted(calloc(count, size)) : NULL;
}

static void counted_free(void *opaque, void *block)
{
    if (block)
        memory_used -= malloc_usable_size(block);
    free(block);
}

static void *counted_realloc(void *opaque, void *block, size_t size)
{
    size_t before = block ? malloc_usable_size(block) : 0;
    if (size > before && !memory_fits(size - before))
        return NULL;
    void *grown = realloc(block, size);
    if (!grown) {
        memory_denied = 1;
        return NULL;
    }
    memory_used -= before;
    return counted(grown);
}

static size_t counted_size(const void *block)
{
    return malloc_usable_size((void *)block);
}

#include "quickjs.c"

static const JSMallocFunctions counted_memory = {
    counted_calloc, counted_malloc, counted_free, counted_realloc, counted_size,
};

#define EXPORT(name) __attribute__((export_name(name)))
/* The linker is told to reserve 1 MiB for the C stack; this leaves room for what the engine does after its check. */
#define STACK_BYTES (640 * 1024)

static JSRuntime *runtime;
static JSContext *context;

static const char OUT_OF_MEMORY[] = "{\"error\":{\"kind\":\"memory\",\"message\":\"out of memory\",\"stack\":\"\"}}";

/* ---- printing ---------------------------------------------------------------------------------------------- */

static void put(const char *text, size_t length)
{
    __wasi_ciovec_t piece = {(const uint8_t *)text, length};
    __wasi_size_t written;
    (void)__wasi_fd_write(1, &piece, 1, &written);
}

static void forget_exception(JSContext *ctx)
{
    JS_FreeValue(ctx, JS_GetException(ctx));
}

/* Objects are shown as JSON where they have one, because "[object Object]" helps nobody. */
static int put_value(JSContext *ctx, JSValueConst value)
{
    const char *text = NULL;
    size_t length;
    if (JS_IsObject(value) && !JS_IsFunction(ctx, value) && !JS_IsError(value)) {
        JSValue json = JS_JSONStringify(ctx, value, JS_UNDEFINED, JS_UNDEFINED);
        if (JS_IsString(json))
            text = JS_ToCStringLen(ctx, &length, json);
        if (!text)
            forget_exception(ctx);
        JS_FreeValue(ctx, json);
    }
    if (!text)
        text = JS_ToCStringLen(ctx, &length, value);
    if (!text)
        return -1;
    put(text, length);
    JS_FreeCString(ctx, text);
    return 0;
}

static JSValue js_print(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    for (int i = 0; i < argc; i++) {
        if (i)
            put(" ", 1);
        if (put_value(ctx, argv[i]))
            return JS_EXCEPTION;
    }
    put("\n", 1);
    return JS_UNDEFINED;
}

/* ---- modules ----------------------------------------------------------------------------------------------- */

static JSModuleDef *no_module(JSContext *ctx, const char *name, void *opaque)
{
    JS_ThrowReferenceError(ctx, "cannot import '%s': a script stands alone, put what it needs into the one file", name);
    return NULL;
}

/* ---- answers ----------------------------------------------------------------------------------------------- */

typedef struct {
    char *text;
    size_t length, capacity;
    int failed;
} Buffer;

static void append(Buffer *buffer, const char *text, size_t length)
{
    if (buffer->failed)
        return;
    if (length > buffer->capacity - buffer->length) {
        size_t capacity = (buffer->length + length) + 64;
        char *grown = realloc(buffer->text, capacity);
        if (!grown) {
            buffer->failed = 1;
            return;
        }
        buffer->text = grown;
        buffer->capacity = capacity;
    }
    memcpy(buffer->text + buffer->length, text, length);
    buffer->length += length;
}

#define APPEND(buffer, literal) append(buffer, literal, sizeof(literal) - 1)

static uint64_t answer(const char *text, size_t length)
{
    return ((uint64_t)(uintptr_t)text << 32) | length;
}

static uint64_t finish(Buffer *buffer)
{
    if (buffer->failed)
        return answer(OUT_OF_MEMORY, sizeof(OUT_OF_MEMORY) - 1);
    return answer(buffer->text, buffer->length);
}

/* Appends a primitive string as JSON. Strings have no toJSON, so nothing the script changed has a say. */
static void append_string(Buffer *buffer, JSValueConst string)
{
    size_t length;
    JSValue json = JS_IsString(string) ? JS_JSONStringify(context, string, JS_UNDEFINED, JS_UNDEFINED) : JS_UNDEFINED;
    const char *text = JS_IsString(json) ? JS_ToCStringLen(context, &length, json) : NULL;
    if (text) {
        append(buffer, text, length);
        JS_FreeCString(context, text);
    } else {
        APPEND(buffer, "\"\"");
        forget_exception(context);
    }
    JS_FreeValue(context, json);
}

static uint64_t error_answer(const char *kind, JSValueConst message, JSValueConst stack)
{
    Buffer buffer = {0};
    APPEND(&buffer, "{\"error\":{\"kind\":\"");
    append(&buffer, kind, strlen(kind));
    APPEND(&buffer, "\",\"message\":");
    append_string(&buffer, message);
    APPEND(&buffer, ",\"stack\":");
    append_string(&buffer, stack);
    APPEND(&buffer, "}}");
    return finish(&buffer);
}

static uint64_t plain_error(const char *kind, const char *message)
{
    JSValue text = JS_NewString(context, message);
    return error_answer(kind, text, JS_UNDEFINED);
}

static int says_out_of_memory(JSValueConst message)
{
    const char *text = JS_ToCString(context, message);
    int is = text && strstr(text, "InternalError: out of memory");
    if (text)
        JS_FreeCString(context, text);
    return is;
}

/* What was thrown, as an answer. It may run code of the script (toString), which may throw again. */
static uint64_t thrown(const char *kind, JSValue error)
{
    /* Room to say what happened where memory was the trouble. */
    int denied = memory_denied;
    memory_limit = SIZE_MAX;
    /* The engine throws null where there is no memory for the exception. */
    if (denied && JS_IsNull(error))
        return answer(OUT_OF_MEMORY, sizeof(OUT_OF_MEMORY) - 1);
    JSValue message = JS_ToString(context, error);
    if (!JS_IsString(message)) {
        forget_exception(context);
        message = JS_NewString(context, "something that cannot be turned into text");
    }
    JSValue stack = JS_UNDEFINED;
    if (JS_IsError(error)) {
        stack = JS_GetPropertyStr(context, error, "stack");
        if (JS_IsException(stack)) {
            forget_exception(context);
            stack = JS_UNDEFINED;
        }
        if (denied && says_out_of_memory(message))
            kind = "memory";
    }
    return error_answer(kind, message, stack);
}

static uint64_t exception(const char *kind)
{
    return thrown(kind, JS_GetException(context));
}

/* ---- running ----------------------------------------------------------------------------------------------- */

static void drain_jobs(void)
{
    JSContext *where;
    int left;
    while ((left = JS_ExecutePendingJob(runtime, &where)) != 0) {
        if (left < 0)
            forget_exception(where);
    }
}

static uint64_t value_answer(JSValueConst value)
{
    if (JS_IsUndefined(value))
        value = JS_NULL;
    JSValue json = JS_JSONStringify(context, value, JS_UNDEFINED, JS_UNDEFINED);
    if (JS_IsException(json))
        return exception("nonsense");
    if (!JS_IsString(json))
        return plain_error("nonsense", JS_IsFunction(context, value) ? "it is a function" : "it has no form in JSON");
    size_t length;
    const char *text = JS_ToCStringLen(context, &length, json);
    if (!text)
        return exception("nonsense");
    Buffer buffer = {0};
    APPEND(&buffer, "{\"ok\":");
    append(&buffer, text, length);
    APPEND(&buffer, "}");
    return finish(&buffer);
}

/* Waits for a promise by running jobs. Returns 1 and the value, or 0 and the answer that says why there is none. */
static int settled(JSValue promise, const char *kind, JSValue *value, uint64_t *failure)
{
    drain_jobs();
    switch (JS_PromiseState(context, promise)) {
    case JS_PROMISE_FULFILLED:
        *value = JS_PromiseResult(context, promise);
        return 1;
    case JS_PROMISE_REJECTED:
        *failure = thrown(kind, JS_PromiseResult(context, promise));
        return 0;
    default:
        *failure = plain_error("unsettled", "a promise was never settled: there are no timers and no input to wait for");
        return 0;
    }
}

static uint64_t evaluate(JSValueConst input)
{
    size_t length;
    uint64_t failure;
    JSValue value;
    JSValue filename = JS_GetPropertyStr(context, input, "filename");
    JSValue source = JS_GetPropertyStr(context, input, "source");
    if (!JS_IsString(filename) || !JS_IsString(source))
        return plain_error("request", "the request has no source or no filename");
    const char *name = JS_ToCString(context, filename);
    const char *text = JS_ToCStringLen(context, &length, source);
    if (!name || !text)
        return exception("load");

    JSValue compiled = JS_Eval(context, text, length, name, JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
    JS_FreeCString(context, text);
    if (JS_IsException(compiled))
        return exception("load");
    JSModuleDef *module = JS_VALUE_GET_PTR(compiled);
    JSValue loaded = JS_EvalFunction(context, compiled);
    if (JS_IsException(loaded))
        return exception("load");
    if (!settled(loaded, "load", &value, &failure))
        return failure;

    JSValue namespace = JS_GetModuleNamespace(context, module);
    JSValue function = JS_IsException(namespace) ? JS_EXCEPTION : JS_GetPropertyStr(context, namespace, "default");
    if (JS_IsException(function))
        return exception("load");
    if (!JS_IsFunction(context, function))
        return plain_error("load", "it exports no default function: write `export default function (args, ctx) { … }`");

    JSValue parameters[2] = {JS_GetPropertyStr(context, input, "args"), JS_GetPropertyStr(context, input, "ctx")};
    JSValue result = JS_Call(context, function, JS_UNDEFINED, 2, parameters);
    if (JS_IsException(result))
        return exception("threw");
    if (JS_IsPromise(result)) {
        if (!settled(result, "threw", &value, &failure))
            return failure;
        result = value;
    }
    return value_answer(result);
}

EXPORT("init") void init(void)
{
    static const char *const levels[] = {"log", "info", "debug", "warn", "error"};
    runtime = JS_NewRuntime2(&counted_memory, NULL);
    context = runtime ? JS_NewContext(runtime) : NULL;
    if (!context)
        abort();
    JS_SetModuleLoaderFunc(runtime, NULL, no_module, NULL);
    JSValue global = JS_GetGlobalObject(context);
    JSValue console = JS_NewObject(context);
    for (size_t i = 0; i < countof(levels); i++)
        JS_SetPropertyStr(context, console, levels[i], JS_NewCFunction(context, js_print, levels[i], 1));
    JS_SetPropertyStr(context, global, "console", console);
    JS_SetPropertyStr(context, global, "print", JS_NewCFunction(context, js_print, "print", 1));
    JS_FreeValue(context, global);
}

EXPORT("alloc") void *guest_alloc(uint32_t length)
{
    return malloc(length);
}

EXPORT("limit") void guest_limit(uint32_t bytes)
{
    memory_limit = bytes;
}

EXPORT("run") uint64_t guest_run(const char *input, uint32_t length)
{
    uintptr_t here = js_get_stack_pointer();
    runtime->stack_top = here;
    runtime->stack_limit = here > STACK_BYTES ? here - STACK_BYTES : 0;
    if (__wasi_random_get((uint8_t *)&context->random_state, sizeof(context->random_state)) || !context->random_state)
        context->random_state = 1;
    context->time_origin = js__now_ms();

    JSValue request = JS_ParseJSON(context, input, length, "<request>");
    if (JS_IsException(request))
        return exception("request");
    return evaluate(request);
}
