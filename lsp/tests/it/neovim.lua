-- Opens a spec with an error through the recipe for Neovim, waits for the findings, mends it, and asks for all that 0.7
-- can do; what came is written as JSON.
local out = {}
local function write()
  local file = io.open(vim.env.AIC_OUT, 'w')
  file:write(vim.fn.json_encode(out))
  file:close()
end
local ok, problem = pcall(function()
  local messages = {}
  vim.lsp.handlers['window/showMessage'] = function(_, result) table.insert(messages, result.message) end
  package.path = vim.env.AIC_RECIPE .. '/?.lua;' .. package.path
  local aic = require('aic')
  aic.setup({ cmd = { vim.env.AIC, 'lsp' } })
  vim.cmd('edit ' .. vim.env.AIC_SPEC)
  local buffer = vim.api.nvim_get_current_buf()
  out.arrived = vim.wait(60000, function() return #vim.diagnostic.get(buffer) > 0 end, 10)
  local client = vim.lsp.get_active_clients()[1].id
  out.diagnostics = vim.tbl_map(function(found)
    return { line = found.lnum, column = found.col, severity = found.severity, source = found.source, message = found.message }
  end, vim.diagnostic.get(buffer))

  local function ask(method, line, column, more)
    local params = { textDocument = vim.lsp.util.make_text_document_params(buffer) }
    if line then params.position = { line = line, character = column } end
    for key, value in pairs(more or {}) do params[key] = value end
    local answers = vim.lsp.buf_request_sync(buffer, method, params, 60000)
    return answers and answers[client] and answers[client].result
  end

  -- Typed into the buffer, and so sent as incremental changes.
  vim.api.nvim_buf_set_text(buffer, 1, 4, 1, 4, { 'p' })
  out.mended = vim.wait(60000, function() return #vim.diagnostic.get(buffer) == 0 end, 10)
  vim.api.nvim_buf_set_lines(buffer, 2, 2, false, { 'guardrails: [pii_protection]', 'sand' })
  out.labels = vim.tbl_map(function(item) return item.label end, ask('textDocument/completion', 3, 4).items)
  out.hover = ask('textDocument/hover', 2, 16).contents.value
  vim.api.nvim_buf_set_lines(buffer, 3, 4, false, {
    'tools: {allowed: [refund]}',
    'tests:',
    '  - {name: says hi, input: x, expect: [contains: Hi]}',
    '  - {name: refunds nothing, input: x, expect: [not: {tool_called: refund}]}',
  })
  vim.cmd('silent write')

  -- Through the editor's own functions, with the cursor where a person would have it.
  vim.api.nvim_win_set_cursor(0, { 7, 67 })
  vim.lsp.buf.definition()
  out.jumped = vim.wait(60000, function() return vim.api.nvim_win_get_cursor(0)[1] == 4 end, 10)
  out.column = vim.api.nvim_win_get_cursor(0)[2]
  vim.lsp.buf.rename('pay_back')
  out.renamed = vim.wait(60000, function()
    local text = table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), '\n')
    return text:find('allowed: %[pay_back%]') ~= nil and text:find('tool_called: pay_back') ~= nil
  end, 10)
  vim.cmd('silent write')
  out.symbols = vim.tbl_map(function(symbol) return symbol.name end, ask('textDocument/documentSymbol'))
  -- 0.7 does not draw hints; the protocol is the same.
  local range = { start = { line = 0, character = 0 }, ['end'] = { line = 9, character = 0 } }
  out.hints = vim.tbl_map(function(hint) return hint.label end, ask('textDocument/inlayHint', nil, nil, { range = range }))

  local function titles()
    return vim.tbl_map(function(lens) return lens.command.title end, vim.lsp.codelens.get(buffer))
  end
  vim.lsp.codelens.refresh()
  out.lensed = vim.wait(60000, function() return #titles() == 3 end, 10)
  out.before = titles()
  vim.api.nvim_win_set_cursor(0, { 6, 12 })
  vim.lsp.codelens.run()
  out.ran = vim.wait(120000, function() return #messages > 0 end, 10)
  out.message = messages[1]
  vim.lsp.codelens.refresh()
  out.refreshed = vim.wait(60000, function() return (titles()[2] or ''):find('last') ~= nil end, 10)
  out.after = titles()

  vim.lsp.stop_client(client)
  out.stopped = vim.wait(60000, function() return vim.lsp.client_is_stopped(client) end, 10)
end)
if not ok then out.problem = tostring(problem) end
write()
vim.cmd('qa!')
