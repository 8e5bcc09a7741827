;;; aic.el --- `aic lsp' for specs, with Eglot -*- lexical-binding: t; -*-

;; Eglot is part of Emacs from 29 on. Put this file on the `load-path' and (require 'aic).

;;; Code:

(require 'eglot)
(require 'yaml-ts-mode nil t)

(defvar aic-server-command '("aic" "lsp")
  "The language server and its arguments.")

(define-derived-mode aicontainer-mode
  (if (and (fboundp 'yaml-ts-mode) (treesit-ready-p 'yaml t)) yaml-ts-mode conf-colon-mode)
  "AIContainer"
  "A spec of an AI container, or its behaviour tests."
  (setq-local comment-start "# ")
  (setq-local tab-width 2)
  (setq-local indent-tabs-mode nil))

(add-to-list 'auto-mode-alist
             '("\\(?:\\(?:\\`\\|[/.]\\)aicontainer\\|\\.ai\\|\\.aictest\\)\\.ya?ml\\'" . aicontainer-mode))
(add-to-list 'eglot-server-programs
             `((aicontainer-mode :language-id "aicontainer") . ,(lambda (&rest _) aic-server-command)))
(add-hook 'aicontainer-mode-hook #'eglot-ensure)

(defun aic-run-all ()
  "Run the behaviour tests of this spec."
  (interactive)
  (eglot-execute (eglot-current-server)
                 `(:command "aic.runAll" :arguments [,(eglot--path-to-uri buffer-file-name)])))

(provide 'aic)
;;; aic.el ends here
