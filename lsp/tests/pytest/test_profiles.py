"""The language server as Neovim, Emacs and VS Code announce themselves. What the server sends against an editor's
announcements is a warning of pytest-lsp, and every warning is a failure here."""

import asyncio
import os
import pathlib

import pytest
import pytest_lsp
from lsprotocol import types as lsp
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities, make_test_lsp_client

pytestmark = pytest.mark.filterwarnings("error::pytest_lsp.LspSpecificationWarning")

SPEC = """\
models: {primary: {provider: scripted, rules: [{match: {}, reply: {text: Hi}}]}}
prompts:
  system: "Hi ${TEAM}"
  variables: {TEAM: {default: us}}
tools: {allowed: [refund]}
tests:
  - {name: says hi, input: x, expect: [contains: Hi, not: {tool_called: refund}]}
  - {name: says hi again, input: x, expect: [contains: Hi]}
"""


def editor() -> LanguageClient:
    """The client of pytest-lsp, with answers to what it has none for and every editor has."""
    client = make_test_lsp_client()
    client.refreshed = []

    @client.feature(lsp.CLIENT_REGISTER_CAPABILITY)
    def register(params: lsp.RegistrationParams):
        return None

    @client.feature(lsp.WORKSPACE_CODE_LENS_REFRESH)
    def refresh_lenses(*_):
        client.refreshed.append("lenses")

    @client.feature(lsp.WORKSPACE_INLAY_HINT_REFRESH)
    def refresh_hints(*_):
        client.refreshed.append("hints")

    return client


@pytest_lsp.fixture(
    params=["neovim", "emacs", "visual_studio_code"],
    config=ClientServerConfig(server_command=[os.environ["AIC"], "lsp"], client_factory=editor),
)
async def client(request, lsp_client: LanguageClient, tmp_path: pathlib.Path):
    (tmp_path / ".git").mkdir()
    lsp_client.set_configuration({"aic": {"inlayHints": {"enable": True}}})
    await lsp_client.initialize_session(
        lsp.InitializeParams(
            capabilities=client_capabilities(request.param),
            workspace_folders=[lsp.WorkspaceFolder(uri=tmp_path.as_uri(), name="w")],
        )
    )
    lsp_client.folder = tmp_path
    yield
    await lsp_client.shutdown_session()


def open_spec(client: LanguageClient, text: str = SPEC) -> lsp.TextDocumentIdentifier:
    file = client.folder / "a.aicontainer.yml"
    file.write_text(text)
    document = lsp.TextDocumentItem(uri=file.as_uri(), language_id="yaml", version=1, text=text)
    client.text_document_did_open(lsp.DidOpenTextDocumentParams(text_document=document))
    return lsp.TextDocumentIdentifier(uri=file.as_uri())


def at(text: str, word: str) -> lsp.Position:
    before = text[: text.index(word) + 1]
    return lsp.Position(line=before.count("\n"), character=len(before.rsplit("\n", 1)[-1]))


async def findings(client: LanguageClient, document: lsp.TextDocumentIdentifier):
    if client.capabilities.text_document.diagnostic is not None:
        report = await client.text_document_diagnostic_async(lsp.DocumentDiagnosticParams(text_document=document))
        return report.items
    while document.uri not in client.diagnostics:
        await client.wait_for_notification(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    return client.diagnostics[document.uri]


async def until(condition, seconds: float = 60.0):
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.asyncio
async def test_findings_reach_the_editor_its_own_way(client: LanguageClient):
    document = open_spec(client, SPEC.replace("prompts:", "promts:"))
    found = await findings(client, document)
    assert "ABS001" in [one.code for one in found]
    misspelt = next(one for one in found if one.code == "ABS001")
    assert "did you mean `prompts`" in misspelt.message
    assert (misspelt.range.start, misspelt.range.end) == (lsp.Position(1, 0), lsp.Position(1, 6))


@pytest.mark.asyncio
async def test_completion_keeps_to_what_was_announced(client: LanguageClient):
    text = SPEC.replace("tools: {allowed: [refund]}", "too")
    document = open_spec(client, text)
    end = at(text, "too")
    end.character = 3
    answer = await client.text_document_completion_async(lsp.CompletionParams(text_document=document, position=end))
    tools = next(item for item in answer.items if item.label == "tools")
    if tools.documentation is None:
        tools = await client.completion_item_resolve_async(tools)
    # Who announces no form of documentation gets text.
    words = tools.documentation
    assert "What the agent may call" in (words if isinstance(words, str) else words.value)


@pytest.mark.asyncio
async def test_hover_definition_and_rename(client: LanguageClient):
    document = open_spec(client)
    place = dict(text_document=document, position=at(SPEC, "TEAM}"))
    hover = await client.text_document_hover_async(lsp.HoverParams(**place))
    assert "Declared in line 4" in hover.contents.value
    found = await client.text_document_definition_async(lsp.DefinitionParams(**place))
    assert found[0].range.start == lsp.Position(3, 14)
    edit = await client.text_document_rename_async(lsp.RenameParams(new_name="GROUP", **place))
    edits = edit.document_changes[0].edits if edit.document_changes else edit.changes[document.uri]
    assert [one.new_text for one in edits] == ["GROUP", "GROUP"]


@pytest.mark.asyncio
async def test_outline_colours_links_and_folds(client: LanguageClient):
    document = open_spec(client)
    symbols = await client.text_document_document_symbol_async(lsp.DocumentSymbolParams(text_document=document))
    assert "tests" in [symbol.name for symbol in symbols]
    tokens = await client.text_document_semantic_tokens_full_async(lsp.SemanticTokensParams(text_document=document))
    assert len(tokens.data) == 5
    folds = await client.text_document_folding_range_async(lsp.FoldingRangeParams(text_document=document))
    assert (1, 3) in [(fold.start_line, fold.end_line) for fold in folds]
    await client.text_document_document_link_async(lsp.DocumentLinkParams(text_document=document))


@pytest.mark.asyncio
async def test_a_fix_is_offered_where_changes_are_taken(client: LanguageClient):
    text = SPEC.replace("prompts:", "promts:")
    document = open_spec(client, text)
    spot = lsp.Range(at(text, "promts"), at(text, "promts"))
    params = lsp.CodeActionParams(text_document=document, range=spot, context=lsp.CodeActionContext(diagnostics=[]))
    actions = await client.text_document_code_action_async(params)
    assert "Change to `prompts`" in [action.title for action in actions]


@pytest.mark.asyncio
async def test_a_lens_runs_a_test_and_shows_its_result(client: LanguageClient):
    document = open_spec(client)
    lenses = await client.text_document_code_lens_async(lsp.CodeLensParams(text_document=document))
    assert [lens.command.title for lens in lenses] == ["▶ run all", "▶ run test", "▶ run test"]
    command = lenses[1].command
    params = lsp.ExecuteCommandParams(command=command.command, arguments=command.arguments)
    assert await client.workspace_execute_command_async(params) is None
    await until(lambda: client.messages)
    assert client.messages[0].message == "says hi: 1/1 passed · $0"
    lenses = await client.text_document_code_lens_async(lsp.CodeLensParams(text_document=document))
    # The one test ran, and not the other whose name begins the same.
    assert [lens.command.title for lens in lenses] == [
        "▶ run all · last 1/1 · $0 · 1 not run",
        "▶ run test · last 1/1 · $0",
        "▶ run test",
    ]


@pytest.mark.asyncio
async def test_formatting_is_one_layout(client: LanguageClient):
    document = open_spec(client, SPEC.replace("variables: {", "variables:   { "))
    options = lsp.FormattingOptions(tab_size=4, insert_spaces=True)
    params = lsp.DocumentFormattingParams(text_document=document, options=options)
    edits = await client.text_document_formatting_async(params)
    assert [(edit.range.start.line, edit.new_text) for edit in edits] == [(3, "  variables: {TEAM: {default: us}}\n")]
