-- Neovim, from 0.7: starts `aic lsp` on specs, tests and the prompts beside them. Copy it to ~/.config/nvim/lua/aic.lua
-- and call require('aic').setup().
local M = {}

-- What the language calls a spec or a file of tests. Prompts are Markdown or text, and cost nothing where no spec names them.
M.patterns = {
  'aicontainer.yml', 'aicontainer.yaml', 'aicontainer.toml',
  '*.aicontainer.yml', '*.aicontainer.yaml', '*.aicontainer.toml',
  '*.ai.yml', '*.ai.yaml', '*.ai.toml',
  '*.aictest.yml', '*.aictest.yaml', '*.aictest.toml',
  '*/prompts/*.md', '*/prompts/*.txt',
}

local function root_of(file)
  -- The nearest folder above with .aic, else with .git: a workspace.
  for _, marker in ipairs({ '.aic', '.git' }) do
    local found = vim.fn.finddir(marker, vim.fn.fnamemodify(file, ':p:h') .. ';')
    if found ~= '' then return vim.fn.fnamemodify(found, ':p:h:h') end
  end
  return vim.fn.fnamemodify(file, ':p:h')
end

local group = vim.api.nvim_create_augroup('aic', {})
local clients = {}

-- Lenses (run test) are asked for once the server is there: 0.7 would wait for an earlier question for ever.
function M.on_attach(_, buffer)
  pcall(vim.lsp.codelens.refresh)
  vim.api.nvim_create_autocmd({ 'BufEnter', 'InsertLeave', 'BufWritePost' }, {
    group = group,
    buffer = buffer,
    callback = function() pcall(vim.lsp.codelens.refresh) end,
  })
  -- Hints are drawn from 0.10 on.
  if vim.lsp.inlay_hint and vim.lsp.inlay_hint.enable then
    pcall(vim.lsp.inlay_hint.enable, true, { bufnr = buffer })
  end
end

-- Attaches a buffer; one server a workspace. Returns the client's number.
function M.attach(buffer, opts)
  local root = root_of(vim.api.nvim_buf_get_name(buffer))
  local client = clients[root]
  if not client or vim.lsp.client_is_stopped(client) then
    client = vim.lsp.start_client({
      name = 'aic',
      cmd = opts.cmd or { 'aic', 'lsp' },
      root_dir = root,
      workspace_folders = { { uri = vim.uri_from_fname(root), name = root } },
      settings = { aic = opts.settings or {} },
      capabilities = opts.capabilities,
      on_attach = M.on_attach,
    })
    clients[root] = client
  end
  vim.lsp.buf_attach_client(buffer, client)
  return client
end

local function keys(buffer)
  local function map(key, action) vim.keymap.set('n', key, action, { buffer = buffer }) end
  vim.bo[buffer].omnifunc = 'v:lua.vim.lsp.omnifunc'
  map('K', vim.lsp.buf.hover)
  map('gd', vim.lsp.buf.definition)
  map('gr', vim.lsp.buf.references)
  map('<leader>rn', vim.lsp.buf.rename)
  map('<leader>ca', vim.lsp.buf.code_action)
  map('<leader>cl', vim.lsp.codelens.run)
end

function M.setup(opts)
  opts = opts or {}
  vim.api.nvim_create_autocmd({ 'BufReadPost', 'BufNewFile' }, {
    group = group,
    pattern = M.patterns,
    callback = function(event)
      M.attach(event.buf, opts)
      if opts.keys ~= false then keys(event.buf) end
    end,
  })
  -- A run that ended has other lenses; 0.7 knows no handler for that and would answer with an error.
  vim.lsp.handlers['workspace/codeLens/refresh'] = vim.lsp.handlers['workspace/codeLens/refresh'] or function()
    pcall(vim.lsp.codelens.refresh)
    return vim.NIL
  end
end

return M
