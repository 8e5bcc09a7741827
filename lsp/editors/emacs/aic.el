;;; aic.el --- `aic lsp' for specs, with Eglot -*- lexical-binding: t; -*-

;; Eglot is part of Emacs from 29 on; 28 has it as a package. Put this file on the `load-path' and (require 'aic).

;;; Code:

(require 'eglot)
(require 'yaml-ts-mode nil t)

(defvar aic-server-command '("aic" "lsp")
  "The language server and its arguments.")

;; The parent of a mode is a name, not a form: it is chosen first.
(eval
 `(define-derived-mode aicontainer-mode
    ,(if (and (fboundp 'treesit-ready-p) (treesit-ready-p 'yaml t)) 'yaml-ts-mode 'conf-colon-mode)
    "AIContainer"
    "A spec of an AI container, or its behaviour tests."
    (setq-local comment-start "# ")
    (setq-local tab-width 2)
    (setq-local indent-tabs-mode nil))
 t)

(add-to-list 'auto-mode-alist
             '("\\(?:\\(?:\\`\\|[/.]\\)aicontainer\\|\\.ai\\|\\.aictest\\)\\.ya?ml\\'" . aicontainer-mode))
(add-to-list 'eglot-server-programs
             `((aicontainer-mode :language-id "aicontainer") . ,(lambda (&rest _) aic-server-command)))
(add-hook 'aicontainer-mode-hook #'eglot-ensure)

(defun aic-run-all ()
  "Run the behaviour tests of this spec."
  (interactive)
  (let ((server (eglot-current-server)) (arguments (vector (aic--uri))))
    (if (fboundp 'eglot-execute)
        (eglot-execute server (list :command "aic.runAll" :arguments arguments))
      ;; Eglot before 1.15.
      (eglot-execute-command server 'aic.runAll arguments))))

(defun aic--uri ()
  "The address of this file, as the server knows it."
  (plist-get (eglot--TextDocumentIdentifier) :uri))

(provide 'aic)
;;; aic.el ends here
