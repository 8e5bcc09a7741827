//! Credentials: formats of vendors, private keys, and random-looking values beside a word such as `token`.

use super::pattern::{Pattern, pattern};
use super::{Finding, SecretType, Taken, Types};
use crate::normalize::Folded;
use crate::prepared::View;
use std::collections::HashSet;
use std::ops::Range;

/// Formats that the vendors publish: a prefix of their own, then the random part.
static VENDOR: Pattern = pattern!(concat!(
    r"(?-u)\b(?:(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}",
    r"|gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_\w{22,255}|gl(?:pat|rt|ptt|ft|dt|agent|cbt|soat|imt)-[\w-]{20,64}",
    r"|xox[abeoprs]-(?:\d{1,16}-)*[A-Za-z0-9]{14,64}|bedrock-api-key-[A-Za-z0-9+/=]{20,300}|xoxe\.xox[bp]-\d-[\w-]{20,250}|xapp-\d-[\w-]{10,250}|xwfp-[\w-]{10,250}",
    r"|sk-(?:ant|proj|or|svcacct|admin|lf|None)-[\w-]{16,250}|sk-[A-Za-z0-9]{20,64}|gsk_[A-Za-z0-9]{40,60}|xai-[A-Za-z0-9]{40,100}|pplx-[A-Za-z0-9]{40,60}",
    r"|r8_[A-Za-z0-9]{36,42}|hf_[A-Za-z0-9]{34}|api_org_[A-Za-z0-9]{30,40}",
    r"|[rs]k_(?:live|test|prod)_[A-Za-z0-9]{10,250}|whsec_[A-Za-z0-9+/]{24,64}",
    r"|AIza[\w-]{35}|GOCSPX-[\w-]{20,40}|ya29\.[\w-]{20,250}",
    r"|SG\.[\w-]{16,40}\.[\w-]{16,64}|xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}|key-[a-f0-9]{32}|pubkey-[a-f0-9]{32}",
    r"|npm_[A-Za-z0-9]{36}|pypi-[\w-]{50,250}|rubygems_[a-f0-9]{48}|oy2[a-z0-9]{43}|CLOJARS_[a-z0-9]{60}",
    r"|do[opr]_v1_[a-f0-9]{64}|dapi[a-f0-9]{32}(?:-\d)?|dp\.(?:pt|st|sa|scim|ct)\.[A-Za-z0-9.]{40,60}",
    r"|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}|sq0(?:atp|csp|idp)-[\w-]{20,60}|EAAA[\w-]{56,64}|EZ[AT]K[A-Za-z0-9]{54}",
    r"|glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}|glc_[A-Za-z0-9+/]{32,400}={0,3}|eyJrIjoi[A-Za-z0-9]{70,400}={0,3}",
    r"|sntry[su]_[\w+/=-]{40,400}|hv[bsr]\.[\w-]{24,300}|[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,70}",
    r"|lin_(?:api|oauth)_[A-Za-z0-9]{32,64}|ntn_[0-9]{8,14}[A-Za-z0-9]{30,40}|secret_[A-Za-z0-9]{43}|PMAK-[a-f0-9]{24}-[a-f0-9]{34}",
    r"|ops_eyJ[\w+/=-]{60,2000}|A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}",
    r"|fm[12][ar]?_[\w+/=,-]{40,2000}|fo1_[\w-]{43}|HRKU-AA[\w-]{50,64}|sgp_(?:[a-fA-F0-9]{16}_|local_)?[a-fA-F0-9]{40}|sgp_[A-Fa-f0-9]{16}_[A-Fa-f0-9]{40}",
    r"|tk-us-[\w-]{48}|ico-[A-Za-z0-9]{32}|s-s4t2(?:ud|af)-[a-f0-9]{64}|sha256~[\w-]{43}|AGE-SECRET-KEY-1[A-Z0-9]{58}",
    r"|pscale_(?:tkn|pw|oauth)_[\w=.-]{32,64}|pul-[a-f0-9]{40}|pnu_[A-Za-z0-9]{36}|rdme_[a-z0-9]{70}|sm_(?:pat|sat|aat)_[A-Za-z0-9]{16}",
    r"|shippo_(?:live|test)_[a-f0-9]{40}|sq[upa]_[a-f0-9]{40}|NRAK-[A-Z0-9]{27}|NRI[IQ]-[\w-]{32}|NRJS-[a-f0-9]{19}|tfp_[\w.=-]{59}|LTAI[A-Za-z0-9]{20}",
    r"|FLW(?:PUB|SEC)K_TEST-[a-h0-9]{12,32}(?:-X)?|duffel_(?:test|live)_[\w=-]{43}|fio-u-[\w=-]{64}|pat[A-Za-z0-9]{14}\.[a-f0-9]{64}|AQVN[\w-]{35,38}|t1\.[A-Z0-9a-z_-]{20,250}={0,2}\.[\w-]{86}={0,2}",
    r"|\d{8,10}:A[\w-]{34}|SK[a-f0-9]{32}|AP[A-Za-z0-9]{60,75}|dckr_(?:pat|oat)_[\w-]{27,32}|CFPAT-[\w-]{43}|v1\.0-[a-f0-9]{24}-[a-f0-9]{146}|p8e-[A-Za-z0-9]{32}|sl\.[\w=-]{130,152}",
    r"|[\w.~]{3}\dQ~[\w.~-]{31,34}|ATATT3[\w=-]{186}|ATCTT3[\w=-]{50,250}|ATBB[A-Za-z0-9]{32}|AKCp[A-Za-z0-9]{69}|cmVmd[A-Za-z0-9]{59}|cloudinary://\d{6,20}:[\w-]{20,40}@[\w-]+",
    r"|nvapi-[\w-]{60,80}|figd_[\w-]{36,60}|EAA[B-Z][A-Za-z0-9]{60,300}|1//0[\w-]{28,110}",
    r"|AccountKey=[A-Za-z0-9+/]{86}==|SharedAccess(?:Key|Signature)=[A-Za-z0-9+/%-]{42,60}={0,2})",
));
static KEY_BEGINS: Pattern = pattern!(r"-----BEGIN[ A-Z0-9_-]{0,60}PRIVATE KEY(?: BLOCK)?-----");
static KEY_ENDS: Pattern = pattern!(r"-----END[ A-Z0-9_-]{0,60}PRIVATE KEY(?: BLOCK)?-----");
/// The private half of a key as PuTTY keeps it.
static PUTTY: Pattern =
    pattern!(r"\bPrivate-Lines:\s*\d{1,4}\s{1,4}(?:[A-Za-z0-9+/]{20,70}={0,2}\s{1,4})*[A-Za-z0-9+/]{4,70}={0,2}");
/// Passwords among the arguments of a command.
static ARGUMENT: Pattern = pattern!(
    r#"\b(?:(?:mysql|mysqldump|mysqladmin|mariadb|mariadb-dump)\b[^\n]{0,80}?\s-p|sshpass\s+-p\s*|redis-cli\b[^\n]{0,60}?\s-a\s+)(?:"([^"\n]{4,80})"|'([^'\n]{4,80})'|([^\s"']{4,80}))"#
);
/// A password behind its word in other languages, or behind the word alone.
static FOREIGN: Pattern = pattern!(
    r#"(?i)(?:passwort|kennwort|contraseña|contrasena|mot de passe|senha|wachtwoord|hasło|пароль|密码|密碼|口令|パスワード|비밀번호)\s{0,4}(?:(?:lautet|ist|es|est|é|is|to|это|是|为|は)?\s{0,4}[:=]{1,2}|lautet|ist|es|est|é|is|это|是|为|は|—|-)\s{0,4}["'`«]{0,2}([\w.+/=~@!#%^&*$?|\\-]{6,100})|\bpassword\s{1,4}["'`]?([\w.+~@!#%^&*$?-]{8,60})"#
);
static JWT: Pattern = pattern!(r"(?-u)\bey[A-Za-z0-9]{12,}\.ey[A-Za-z0-9/\\_-]{12,}(?:\.[A-Za-z0-9/\\_-]{6,}={0,2})?");
static WEBHOOK: Pattern = pattern!(
    r"(?-u)https://(?:hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{30,60}|(?:ptb\.|canary\.)?discord(?:app)?\.com/api/webhooks/\d{17,20}/[\w-]{60,70}|[a-z0-9-]+\.webhook\.office\.com/webhookb2/[\w@-]{40,100}/IncomingWebhook/[a-z0-9]{32}/[\w-]{36})"
);
static URL: Pattern =
    pattern!(r"(?i)\b[a-z][a-z0-9+.-]{1,20}://([^\s:/@'\x22<>]{0,80}):([^\s/@'\x22<>]{3,120})@[\w.\[-]");
/// A word that announces a credential, what joins them, and the value. Linear, so look-arounds are done by hand below.
static NAMED: Pattern = pattern!(
    r#"(?i-u)((?:api[_ .-]?key|access[_ .-]?key|secret|token|auth|credentials?|passw(?:or)?d|passphrase|passcode|pwd|private[_ .-]?key|encryption[_ .-]?key|client[_ .-]?id|accountkey|apikey|accesskey|_key|key)[\w.-]{0,24})['"\]\)]{0,3}\s{0,4}(?::=|=>|:{1,2}|={1,3}|\|\|:|<=|,|->|\bis(?: now)?:?|\bto\b)\s{0,4}(?:['"`]|\\"){0,3}([\w.+/=~@!#%^&*$?;|\\-]{6,200})"#
);
static BEARER: Pattern = pattern!(
    r"(?i-u)\b(?:bearer|basic|token|apikey|api-key|x-api-key|private-token|x-auth-token)[: ]{1,3}\s?([A-Za-z0-9._~+/=|-]{16,400})"
);
static CURL: Pattern = pattern!(
    r#"(?i)\bcurl\b(?:[^\n]|\\\n){0,300}?(?:\s-u|\s--user)[ =]{0,2}(?:"([^"\n]{0,80}:[^"\n]{3,80})"|'([^'\n]{0,80}:[^'\n]{3,80})'|([^\s"':]{0,80}:['"]?[^\s"']{3,80}))"#
);
static CURL_PARTS: Pattern = pattern!(r#"(?i)\bcurl\b[^\n]*?\s--user\s+"([^"\n]{1,80})":"([^"\n]{3,80})""#);
/// Vendors whose keys have no prefix: the value counts only near the vendor's name.
static NEAR_VENDOR: Pattern = pattern!(
    r#"(?i-u)\b(facebook|sourcegraph|heroku|dropbox|gitter|sumo(?:logic)?|datadog|algolia|mailchimp|mailgun|twitter|twitch|asana|atlassian|jira|confluence|bitbucket|cohere|fastly|finnhub|kraken|kucoin|launchdarkly|linkedin|lob|mattermost|messagebird|netlify|okta|plaid|sendbird|snyk|squarespace|travis|zendesk|coinbase|codecov|contentful|droneci|etsy|freshbooks|newyorktimes|rapidapi|looker|adafruit|airtable|beamer|bittrex|cloudflare|discord|doppler|hubspot|intercom|jfrog|artifactory|octopus|privateai|sidekiq|tines|trello|yandex|aws|azure|gcp|meraki|nytimes|clickhouse|harness|infracost|scalingo)\b[\w .-]{0,20}['"]?\s{0,4}(?::=|=>|=|:|\s|,)\s{0,3}['"]?([A-Za-z0-9|_+/=.-]{20,120})"#
);

/// The credentials in a text, of the wanted kinds, without overlaps.
pub(super) fn find(view: View<'_>, types: &Types) -> Vec<Finding> {
    if types.secrets.is_empty() {
        return Vec::new();
    }
    let all = view.secrets(|| all(view));
    all.iter().filter(|(kind, _)| types.secrets.contains(kind)).map(|(_, finding)| finding.clone()).collect()
}

/// The credentials of all kinds.
fn all(view: View<'_>) -> Vec<(SecretType, Finding)> {
    let folded = view.formats();
    let text = folded.text.as_str();
    let mut found = Found { folded, taken: Taken::default(), findings: Vec::new() };
    private_keys(&mut found);
    for hit in VENDOR.find_iter(folded) {
        let after = text.as_bytes().get(hit.end()).copied().unwrap_or(b' ');
        let cut_short = after.is_ascii_alphanumeric()
            || after == b'_'
            || text.get(hit.end()..).is_some_and(|rest| rest.starts_with(".."));
        let stands_for_one = if hit.len() > 80 { hit.as_str().contains("xxxx") } else { placeholder(hit.as_str()) };
        if !cut_short && !stands_for_one && random_enough(hit.as_str(), 2.8) {
            found.add(hit.range(), SecretType::Vendor, "a credential in a vendor's format");
        }
    }
    for hit in WEBHOOK.find_iter(folded) {
        if !placeholder(hit.as_str()) {
            found.add(hit.range(), SecretType::Vendor, "the address of a webhook, which is a credential");
        }
    }
    for hit in JWT.find_iter(folded) {
        if random_enough(hit.as_str(), 3.5) {
            found.add(hit.range(), SecretType::Token, "a signed token");
        }
    }
    for caught in URL.captures_iter(folded) {
        if let (Some(user), Some(password)) = (caught.get(1), caught.get(2))
            && !placeholder(password.as_str())
            && !reference(password.as_str())
            && !matches!(password.as_str(), "password" | "pass" | "secret" | "pwd")
            && !reference(user.as_str())
        {
            found.add(password.range(), SecretType::UrlCredentials, "a password in an address");
        }
    }
    for caught in CURL.captures_iter(folded) {
        let Some(pair) = caught.get(1).or_else(|| caught.get(2)).or_else(|| caught.get(3)) else { continue };
        let Some((user, password)) = pair.as_str().split_once(':') else { continue };
        let password = password.trim_start_matches(['\'', '"']);
        if !reference(user)
            && !reference(password)
            && !placeholder(password)
            && shannon(password) >= 1.5
            && (has_digit(password) || password.len() >= 12)
        {
            found.add(pair.end() - password.len()..pair.end(), SecretType::Password, "a password of a command");
        }
    }
    for caught in CURL_PARTS.captures_iter(folded) {
        if let Some(password) = caught.get(2)
            && !placeholder(password.as_str())
            && random_enough(password.as_str().trim_matches(['{', '}']), 2.5)
        {
            found.add(password.range(), SecretType::Password, "a password of a command");
        }
    }
    for caught in BEARER.captures_iter(folded) {
        if let Some(value) = caught.get(1)
            && token_like(value.as_str(), 3.2)
        {
            found.add(value.range(), SecretType::Token, "a token of a request");
        }
    }
    for hit in PUTTY.find_iter(folded) {
        if random_enough(hit.as_str(), 3.5) {
            found.add(hit.range(), SecretType::PrivateKey, "a private key");
        }
    }
    for caught in ARGUMENT.captures_iter(folded) {
        if let Some(password) = caught.get(1).or_else(|| caught.get(2)).or_else(|| caught.get(3))
            && !reference(password.as_str())
            && !placeholder(password.as_str())
            && (has_digit(password.as_str()) || scrambled(password.as_str()))
        {
            found.add(password.range(), SecretType::Password, "a password of a command");
        }
    }
    for caught in FOREIGN.captures_iter(folded) {
        let bare = caught.get(2);
        let Some(value) = caught.get(1).or(bare) else { continue };
        let trimmed = value.as_str().trim_end_matches([';', '.', '?', '!', ',', '&', '|', '/']);
        let least = if bare.is_some() { 8 } else { 6 };
        let mixed = classes(trimmed) >= if bare.is_some() { 3 } else { 2 } && has_digit(trimmed);
        if trimmed.len() >= least
            && (mixed && !code(trimmed) || scrambled(trimmed))
            && shannon(trimmed) >= 2.0
            && !(placeholder(trimmed) || reference(trimmed))
        {
            let range = value.start()..value.start() + trimmed.len();
            found.add(range, SecretType::Password, "a credential beside its name");
        }
    }
    named(&mut found);
    for caught in NEAR_VENDOR.captures_iter(folded) {
        if let Some(value) = caught.get(2)
            && token_like(value.as_str(), 3.0)
        {
            found.add(value.range(), SecretType::Token, "a credential beside the name of its vendor");
        }
    }
    let (mut findings, mut taken) = (found.findings, found.taken);
    if has_wide_spaces(text) {
        // What announces a value may stand any distance before it.
        let mut again = Found { folded: view.spaced(), taken: Taken::default(), findings: Vec::new() };
        named(&mut again);
        for (kind, finding) in again.findings {
            let Some(span) = finding.span.filter(|span| taken.is_free(&span.range())) else { continue };
            taken.take(span.range());
            findings.push((kind, finding));
        }
    }
    findings.sort_by_key(|(_, finding)| finding.span);
    findings
}

struct Found<'a> {
    folded: &'a Folded,
    taken: Taken,
    findings: Vec<(SecretType, Finding)>,
}

impl Found<'_> {
    fn add(&mut self, range: Range<usize>, kind: SecretType, what: &str) {
        if !self.taken.is_free(&self.folded.original(range.clone()).range()) {
            return;
        }
        let span = self.folded.original(range.clone());
        let finding = Finding::new(span, format!("the text holds {what}"), 0.9);
        self.findings.push((kind, finding.replaced(format!("[{}]", kind.as_str()))));
        self.taken.take(span.range());
    }
}

/// Whether more white space stands somewhere than the patterns allow.
fn has_wide_spaces(text: &str) -> bool {
    let mut run = 0;
    text.bytes().any(|byte| {
        run = if byte.is_ascii_whitespace() { run + 1 } else { 0 };
        run > 4
    })
}

/// Private keys, from their first line to their last; one that is cut off ends with the text.
fn private_keys(found: &mut Found<'_>) {
    let text = found.folded.text.as_str();
    let mut at = 0;
    while let Some(begin) = KEY_BEGINS.find_at(found.folded, at) {
        let end = KEY_ENDS.find_at(found.folded, begin.end()).map(|end| end.end());
        at = end.unwrap_or(text.len());
        let body = text.get(begin.end()..at).unwrap_or("");
        let letters = body.bytes().filter(|byte| byte.is_ascii_alphanumeric()).take(40).count();
        if letters >= 20 && !placeholder(body.get(..body.len().min(80)).unwrap_or("12345")) {
            found.add(begin.start()..at, SecretType::PrivateKey, "a private key");
        }
    }
}

fn named(found: &mut Found<'_>) {
    let text = found.folded.text.as_str();
    let mut at = 0;
    while let Some(caught) = NAMED.captures_at(found.folded, at) {
        let (Some(name), Some(value)) = (caught.get(1), caught.get(2)) else { break };
        // The value may itself be the name of the next one (`password: token=…`), so the search goes on inside it.
        at = value.start().max(at + 1);
        while !text.is_char_boundary(at) {
            at += 1;
        }
        // What stands before the word belongs to the name; found by hand, so that the expression begins with plain letters.
        let head = text.get(..name.start()).unwrap_or("");
        let part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        let ahead = head.bytes().rev().take(40).take_while(|byte| part(byte)).count();
        let word = text.get(name.start() - ahead..name.end()).unwrap_or(name.as_str()).to_lowercase();
        let trimmed = value.as_str().trim_end_matches([';', '.', '?', '!', '\\', '&', '|', '/']);
        let password = ["passw", "passphrase", "passcode", "pwd"].iter().any(|part| word.contains(part));
        let joined_by_prose = {
            let between = text.get(name.end()..value.start()).unwrap_or("");
            between.contains("is") || between.contains("to") || between.contains(',')
        };
        // `ops_eyJz..[Redacted]`: somebody cut the rest off.
        let cut = value.as_str().ends_with("..") || text.get(value.end()..).is_some_and(|rest| rest.starts_with('…'));
        let good = if cut || placeholder(trimmed) || reference(trimmed) {
            false
        } else if password {
            let classes = classes(trimmed);
            trimmed.len() >= 6
                && shannon(trimmed) >= 2.0
                && (scrambled(trimmed)
                    || classes >= if joined_by_prose { 3 } else { 2 } && has_digit(trimmed) && !code(trimmed))
        } else {
            !public(&word) && token_like(trimmed, if joined_by_prose { 3.6 } else { 3.2 })
        };
        if good {
            let kind = if password { SecretType::Password } else { SecretType::Token };
            found.add(value.start()..value.start() + trimmed.len(), kind, "a credential beside its name");
        }
    }
}

/// Names that announce something public.
fn public(word: &str) -> bool {
    [
        "public",
        "keyboard",
        "keyword",
        "monkey",
        "primary_key",
        "foreign_key",
        "author",
        "tokenizer",
        "token_count",
        "max_tokens",
        "keyid",
        "key_id",
        "key-id",
        "fingerprint",
        "checksum",
        "sha",
        "hash",
        "cache",
        "etag",
        "hotkey",
        "keyframe",
        "credentials_id",
        "credentialsid",
        "authsource",
        "authentication-results",
        "keyname",
        "key_name",
    ]
    .iter()
    .any(|part| word.contains(part))
}

/// Whether a value looks random rather than like a word, a path, a version or a piece of code.
fn token_like(value: &str, entropy: f64) -> bool {
    let bare = value.trim_matches(['"', '\'', '=', '.']);
    bare.len() >= 10
        && !placeholder(bare)
        && !reference(bare)
        && !code(bare)
        && has_digit(bare)
        && random_enough(bare, entropy)
}

/// Letters whose case changes too often for words put together.
fn scrambled(value: &str) -> bool {
    let rises = value.as_bytes().windows(2).filter(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
    let short_words = value.len() < 5 * (rises.clone().count() + 1);
    value.len() >= 8 && rises.count() >= 2 && short_words && shannon(value) >= 2.5
}

fn has_digit(value: &str) -> bool {
    value.bytes().any(|byte| byte.is_ascii_digit())
}

/// How many of the classes lower case, upper case, digits and signs it has.
fn classes(value: &str) -> usize {
    let any = |test: fn(&u8) -> bool| usize::from(value.as_bytes().iter().any(test));
    any(u8::is_ascii_lowercase) + any(u8::is_ascii_uppercase) + any(u8::is_ascii_digit) + any(u8::is_ascii_punctuation)
}

/// Values that stand for a real one.
fn placeholder(value: &str) -> bool {
    let lower = value.to_lowercase();
    const WORDS: [&str; 23] = [
        "example",
        "xxxx",
        "your",
        "placeholder",
        "changeme",
        "change_me",
        "redacted",
        "dummy",
        "sample",
        "insert",
        "****",
        "....",
        "####",
        "abcdefgh",
        "12345678",
        "00000000",
        "aaaaaaaa",
        "secret_key_here",
        "my_",
        "foobar",
        "todo",
        "fixme",
        "•••",
    ];
    let digits_in_order = lower.contains("123456789") || lower.contains("abcdef0123456789");
    let distinct: HashSet<char> = lower.chars().collect();
    digits_in_order
        || distinct.len() < 5
        || WORDS.iter().any(|word| lower.contains(word) && (*word != "12345678" || lower.len() < 20))
}

/// References to a value that stands elsewhere: variables, templates, calls.
fn reference(value: &str) -> bool {
    value.starts_with(['$', '<', '%', '{', '[', '*'])
        || value.contains("${")
        || value.contains("{{")
        || value.contains("<%")
        || value.ends_with('>')
}

/// Paths, calls, constants and identifiers of programs.
fn code(value: &str) -> bool {
    static IDENTIFIER: Pattern = pattern!(
        r"^(?:[a-zA-Z_$][a-zA-Z]*[0-9]{0,3}(?:[._/-]+[a-zA-Z_$]*[0-9]{0,3})*|[A-Z][A-Z0-9_]*_[A-Z0-9_]*|\d+(?:\.\d+)*|[\w-]+(?:/[\w.-]+){2,}|\d{4}-\d\d-\d\d.*|[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,8}(?::\d+)?)$"
    );
    static UUID_LIKE: Pattern = pattern!(r"^(?:[a-z]+-)+[a-z]+$");
    IDENTIFIER.is_match(value)
        || UUID_LIKE.is_match(value)
        || value.contains("()")
        || value.contains("->")
        || value.contains("::")
        || value.contains("==") && !value.ends_with("==")
}

fn random_enough(value: &str, entropy: f64) -> bool {
    shannon(value) >= entropy.min((value.len() as f64).log2() * 0.8)
}

/// Shannon entropy, in bits a character.
fn shannon(value: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in value.bytes() {
        counts[usize::from(byte)] += 1;
    }
    let total = value.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / total)
        .map(|share| -share * share.log2())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Prepared;
    use proptest::prelude::*;

    fn find(text: &str, types: &Types) -> Vec<Finding> {
        super::find(Prepared::new(text).view(), types)
    }

    fn found(text: &str) -> Vec<String> {
        find(text, &Types::all()).iter().map(|finding| finding.span.unwrap().of(text).to_owned()).collect()
    }

    // Made-up values, put together at run time so that no scanner takes this file for a leak.
    fn made(prefix: &str, length: usize) -> String {
        let letters = "q7Zk2Xw9Bn4Rt8Ld3Vp6Hs1Gc5Jm0Fy".chars().cycle();
        prefix.chars().chain(letters.take(length)).collect()
    }

    #[test]
    fn formats_of_vendors_are_found() {
        for (prefix, length) in
            [("ghp_", 36), ("glpat-", 20), ("xoxb-", 40), ("sk-proj-", 60), ("sk_live_", 24), ("hf_", 34), ("npm_", 36)]
        {
            let key = made(prefix, length);
            assert_eq!(found(&format!("here: {key}.")), [key]);
        }
    }

    #[test]
    fn values_beside_a_word_are_found() {
        let value = made("", 32);
        for text in [
            format!("api_key = \"{value}\""),
            format!("TOKEN: {value}"),
            format!("\"client_secret\": \"{value}\""),
            format!("Authorization: Bearer {value}"),
        ] {
            assert_eq!(found(&text), [value.as_str()], "{text}");
        }
        assert_eq!(found("password: hunter2!x"), ["hunter2!x"]);
        assert_eq!(found("postgres://app:s3cr3tPw@db/x"), ["s3cr3tPw"]);
        assert_eq!(found("-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0\n-----END PRIVATE KEY-----").len(), 1);
    }

    #[test]
    fn more_vendors_commands_and_languages_are_known() {
        let value = made("", 86);
        for (prefix, length) in [("nvapi-", 64), ("figd_", 40), ("EAACEdEose0cBA", 100), ("1//0", 60)] {
            let key = made(prefix, length);
            assert_eq!(found(&format!("key {key} here")), [key]);
        }
        assert_eq!(found(&format!("AccountName=x;AccountKey={value}==;EndpointSuffix=core")).len(), 1);
        assert_eq!(found(&format!("Endpoint=sb://x/;SharedAccessKey={}=", &value[..43])).len(), 1);
        let putty =
            format!("PuTTY-User-Key-File-2: ssh-rsa\nPrivate-Lines: 14\nAAABAQ{}\nPrivate-MAC: x", &value[..58]);
        assert_eq!(found(&putty).len(), 1);
        for (text, password) in [
            ("mysql -u root -pXk29dLq81z db", "Xk29dLq81z"),
            ("sshpass -p 'Xk29dLq81z' ssh h", "Xk29dLq81z"),
            ("my password is aVSTQvvpQZpP", "aVSTQvvpQZpP"),
            ("the safe, Password 9aKd83jKq1", "9aKd83jKq1"),
            ("passwort=Xk29dLq81z", "Xk29dLq81z"),
            ("Mein Passwort: Xk29dLq81z", "Xk29dLq81z"),
            ("das Passwort lautet Xk29dLq81z", "Xk29dLq81z"),
            ("contraseña: Xk29dLq81z", "Xk29dLq81z"),
            ("mot de passe : Xk29dLq81z", "Xk29dLq81z"),
            ("пароль: Xk29dLq81z", "Xk29dLq81z"),
            ("密码：Xk29dLq81z", "Xk29dLq81z"),
        ] {
            assert_eq!(found(text), [password], "{text}");
        }
        assert_eq!(found(&format!("api_key is \n\n      {}", &value[..32])), [&value[..32]]);
    }

    #[test]
    fn talk_of_passwords_is_left_alone() {
        for text in [
            "the password must contain 8 characters and one digit",
            "Password requirements: at least 12 characters",
            "my password is JavaScriptDeveloper",
            "mysql -u root -p mydb",
            "sshpass -p \"$PASS\" ssh h",
            "Das Passwort ist abgelaufen",
            "El usuario olvidó su contraseña: recuperar",
            "пароль: обязательное поле",
        ] {
            assert_eq!(found(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn placeholders_references_and_public_values_are_left_alone() {
        for text in [
            "password: ${DB_PASSWORD}",
            "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "api_key = YOUR_API_KEY_HERE",
            "token = os.environ['TOKEN']",
            "sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "AKIAIOSFODNN7EXAMPLE",
            "the token is expired",
            "How do I reset my password?",
            "primary_key: customer_id_0",
            "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0",
            "curl -u user:$PASS x",
        ] {
            assert_eq!(found(text), Vec::<String>::new(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(key|token|pass|password|[a-z0-9:= \"é@/$]){0,40}") {
            for finding in find(&text, &Types::all()) {
                prop_assert!(!finding.span.unwrap().of(&text).is_empty());
            }
        }
    }
}
