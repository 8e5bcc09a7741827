-- Opens a spec with an error, waits for the findings, mends it, asks for completion and hover, and writes what came.
local out = {}
local function write()
  local file = io.open(vim.env.AIC_OUT, 'w')
  file:write(vim.fn.json_encode(out))
  file:close()
end
local ok, problem = pcall(function()
  vim.cmd('edit ' .. vim.env.AIC_SPEC)
  local buffer = vim.api.nvim_get_current_buf()
  local client = vim.lsp.start_client({ name = 'aic', cmd = { vim.env.AIC_LSP }, root_dir = vim.fn.getcwd() })
  vim.lsp.buf_attach_client(buffer, client)
  out.arrived = vim.wait(60000, function() return #vim.diagnostic.get(buffer) > 0 end, 10)
  out.diagnostics = vim.tbl_map(function(found)
    return { line = found.lnum, column = found.col, severity = found.severity, source = found.source, message = found.message }
  end, vim.diagnostic.get(buffer))

  local function ask(method, line, column)
    local params = { textDocument = vim.lsp.util.make_text_document_params(buffer), position = { line = line, character = column } }
    local answers = vim.lsp.buf_request_sync(buffer, method, params, 60000)
    return answers and answers[client] and answers[client].result
  end

  -- Typed into the buffer, and so sent as incremental changes.
  vim.api.nvim_buf_set_text(buffer, 1, 4, 1, 4, { 'p' })
  out.mended = vim.wait(60000, function() return #vim.diagnostic.get(buffer) == 0 end, 10)
  vim.api.nvim_buf_set_lines(buffer, 2, 2, false, { 'guardrails: [pii_protection]', 'sand' })
  out.labels = vim.tbl_map(function(item) return item.label end, ask('textDocument/completion', 3, 4).items)
  out.hover = ask('textDocument/hover', 2, 16).contents.value
  vim.lsp.stop_client(client)
  out.stopped = vim.wait(60000, function() return vim.lsp.client_is_stopped(client) end, 10)
end)
if not ok then out.problem = tostring(problem) end
write()
vim.cmd('qa!')
