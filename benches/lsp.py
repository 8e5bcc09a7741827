#!/usr/bin/env python3
"""Times a language server as an editor would feel it, on a spec of 60 lines and one of 5,000.

usage: benches/lsp.py [--rounds N] [--json] [--peer 'COMMAND ...'] [--schema FILE] [SERVER ARG ...]

SERVER is `target/release/aic lsp` unless given. Measured for each: spawn to the answer to `initialize`; an edit to the
findings of it; a keystroke and the completion right after it; hover; memory when all is done. Edits are incremental, one
character, as editors send them; the peer (say `yaml-language-server --stdio`, from npm) gets the same, and the JSON Schema of
the language by its settings: that of `aic schema`, or a file. Times are medians over the rounds in wall-clock milliseconds, with
the server's own CPU time beside them: on a busy machine compare that.
"""
import argparse, json, os, pathlib, queue, shlex, statistics, subprocess, sys, tempfile, threading, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SPEC = '''version: "1.0"
name: support
models:
  primary:
    provider: scripted
    as: openai/gpt-4o-mini-2024-07-18
    max_tokens: 500
    rules:
      - match: {user: {icontains: order}}
        reply: {tool_calls: [{name: get_order, args: {id: "1"}}]}
      - match: {}
        reply: {text: How can I help?}
prompts:
  system: |
    You help customers of ${SHOP}. Today is ${DATE}.
  user: "${INPUT}"
  variables:
    SHOP: {default: Acme}
guardrails:
  pre_execution:
    - name: confirm_destructive
      condition: contains(['delete', 'remove', 'drop'])
    - prompt_injection
  post_execution:
    - {name: pii_protection, action: redact}
tools:
  allowed:
    - name: get_order
      description: Looks an order up
      parameters: {type: object, properties: {id: {type: string}}, required: [id]}
tests:
'''
TEST = '''  - name: case {0}
    input: Where is order {0}
    expect:
      - tool_called: get_order
      - that: "words(output) < 50"
'''

def document(lines):
    text, number = SPEC, 0
    while text.count('\n') + 5 <= lines:
        text += TEST.format(number)
        number += 1
    return text

class Server:
    def __init__(self, command, settings):
        self.settings = settings
        self.began, self.count, self.inbox = time.perf_counter(), 0, queue.Queue()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        out = self.process.stdout
        while True:
            length = 0
            while (line := out.readline().strip()):
                if line.lower().startswith(b'content-length:'):
                    length = int(line.split(b':')[1])
            if not length:
                return
            message, now = json.loads(out.read(length)), time.perf_counter()
            if 'method' in message and 'id' in message:
                items = message['params']['items'] if message['method'] == 'workspace/configuration' else []
                result = [self.settings.get(item.get('section')) for item in items] or None
                try:
                    self.send({'jsonrpc': '2.0', 'id': message['id'], 'result': result})
                except OSError:
                    return  # It asked and left.
            else:
                self.inbox.put((now, message))

    def send(self, message):
        body = json.dumps(message).encode()
        self.process.stdin.write(b'Content-Length: %d\r\n\r\n%s' % (len(body), body))
        self.process.stdin.flush()

    def tell(self, method, params):
        self.send({'jsonrpc': '2.0', 'method': method, 'params': params})

    def ask(self, method, params):
        self.count += 1
        self.send({'jsonrpc': '2.0', 'id': self.count, 'method': method, 'params': params})
        return self.await_(lambda message: message.get('id') == self.count)

    def await_(self, wanted):
        while True:
            now, message = self.inbox.get(timeout=120)
            if wanted(message):
                return now, message

    def cpu(self):
        fields = open(f'/proc/{self.process.pid}/stat').read().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf('SC_CLK_TCK')

    def memory(self):
        status = open(f'/proc/{self.process.pid}/status').read()
        return {key: int(next(line for line in status.split('\n') if line.startswith(key)).split()[1]) / 1024 for key in ('VmRSS', 'VmHWM')}

    def initialize(self, folder):
        capabilities = {
            'general': {'positionEncodings': ['utf-8', 'utf-16']}, 'workspace': {'configuration': True},
            'textDocument': {'hover': {'contentFormat': ['markdown']},
                             'completion': {'completionItem': {'snippetSupport': True, 'documentationFormat': ['markdown'],
                                                               'resolveSupport': {'properties': ['documentation']}}}}}
        now, _ = self.ask('initialize', {'processId': None, 'rootUri': folder, 'capabilities': capabilities,
                                         'workspaceFolders': [{'uri': folder, 'name': 'w'}]})
        self.tell('initialized', {})
        return (now - self.began) * 1e3

    def leave(self):
        self.ask('shutdown', None)
        self.tell('exit', None)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()

def measure(command, settings, lines, rounds):
    folder = pathlib.Path(tempfile.mkdtemp())
    (folder / '.git').mkdir()
    uri = (folder / 'a.aicontainer.yml').as_uri()
    spawn = []
    for _ in range(min(rounds, 9)):
        server = Server(command, settings)
        spawn.append(server.initialize(folder.as_uri()))
        server.leave()
    server = Server(command, settings)
    server.initialize(folder.as_uri())
    server.tell('workspace/didChangeConfiguration', {'settings': settings})
    time.sleep(0.5)
    text = document(lines)
    findings = lambda message: message.get('method') == 'textDocument/publishDiagnostics' and message['params']['uri'] == uri
    began = time.perf_counter()
    server.tell('textDocument/didOpen', {'textDocument': {'uri': uri, 'languageId': 'yaml', 'version': 1, 'text': text}})
    opened = (server.await_(findings)[0] - began) * 1e3
    time.sleep(0.5)
    # In the middle of the tests: one letter of `expect` goes, and comes back.
    rows = text.split('\n')
    row = next(at for at in range(len(rows) * 3 // 4, 0, -1) if rows[at].strip() == 'expect:')
    version = 1
    def edit(column, removed, added):
        nonlocal version
        version += 1
        span = {'start': {'line': row, 'character': column}, 'end': {'line': row, 'character': column + removed}}
        change = {'textDocument': {'uri': uri, 'version': version}, 'contentChanges': [{'range': span, 'text': added}]}
        server.tell('textDocument/didChange', change)
    results = {'diagnostics': [], 'completion': [], 'hover': []}
    spent = {'diagnostics': 0.0, 'completion': 0.0}
    for count in range(rounds):
        while not server.inbox.empty():
            server.inbox.get()
        cpu, began = server.cpu(), time.perf_counter()
        edit(9, 1 if count % 2 == 0 else 0, '' if count % 2 == 0 else 't')
        now, _ = server.await_(findings)
        results['diagnostics'].append((now - began) * 1e3)
        spent['diagnostics'] += server.cpu() - cpu
        time.sleep(0.03)
    if rounds % 2:
        edit(9, 0, 't')
    items = 0
    for count in range(rounds):
        time.sleep(0.2)
        cpu, began = server.cpu(), time.perf_counter()
        # A key is being typed over the finished one: `    ex` and completion behind it, then undone.
        edit(4, 7, 'ex')
        now, message = server.ask('textDocument/completion', {'textDocument': {'uri': uri}, 'position': {'line': row, 'character': 6}})
        results['completion'].append((now - began) * 1e3)
        spent['completion'] += server.cpu() - cpu
        found = message.get('result') or []
        items = len(found['items'] if isinstance(found, dict) else found)
        edit(4, 2, 'expect:')
        time.sleep(0.2)
        began = time.perf_counter()
        now, _ = server.ask('textDocument/hover', {'textDocument': {'uri': uri}, 'position': {'line': row - 1, 'character': 6}})
        results['hover'].append((now - began) * 1e3)
    memory = server.memory()
    server.leave()
    medians = {f'{key}_ms': round(statistics.median(values), 1) for key, values in results.items()}
    cpus = {f'{key}_cpu_ms': round(value / rounds, 1) for key, value in spent.items()}
    return {'lines': text.count('\n'), 'spawn_ms': round(statistics.median(spawn), 1), 'open_ms': round(opened, 1), **medians, **cpus,
            'items': items, 'rss_mb': round(memory['VmRSS']), 'peak_mb': round(memory['VmHWM'])}

def written_by(program):
    """The JSON Schema of the language, from the program itself."""
    file = pathlib.Path(tempfile.mkdtemp()) / 'schema.json'
    file.write_bytes(subprocess.run([program, 'schema'], check=True, capture_output=True).stdout)
    return file

def told_of(schema):
    """Settings by which a server of YAML checks specs against a schema."""
    schemas = {schema.resolve().as_uri(): '*.aicontainer.yml'}
    return {'yaml': {'validate': True, 'completion': True, 'hover': True, 'schemas': schemas, 'schemaStore': {'enable': False}}}

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rounds', type=int, default=21)
    parser.add_argument('--json', action='store_true')
    parser.add_argument('--peer', type=shlex.split)
    parser.add_argument('--schema', type=pathlib.Path)
    parser.add_argument('server', nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    own = [one for one in arguments.server if one != '--'] or [str(ROOT / 'target/release/aic'), 'lsp']
    servers = [('aic', own, {})]
    if arguments.peer:
        servers.append(('peer', arguments.peer, told_of(arguments.schema or written_by(own[0]))))
    rows = [{'server': name, **measure(command, settings, lines, arguments.rounds)}
            for lines in (60, 5000) for name, command, settings in servers]
    if arguments.json:
        print(json.dumps(rows))
        return
    keys = list(rows[0])
    print('| ' + ' | '.join(key.replace('_', ' ') for key in keys) + ' |')
    print('|' + '---|' * len(keys))
    for row in rows:
        print('| ' + ' | '.join(str(row[key]) for key in keys) + ' |')

if __name__ == '__main__':
    main()
