//! Orders to destroy something in languages other than English: a verb, then what is lost, or the other way round. A small
//! table of each language's plainest words; it finds "Lösche alle Benutzer" and not every way to say it.

use super::Finding;
use super::pattern::{Pattern, pattern};
use crate::prepared::View;
use std::borrow::Cow;

/// Verb and object in either order, in German, French, Spanish, Italian, Portuguese, Russian, Chinese, Japanese, Korean.
static LANGUAGES: [Pattern; 9] = [
    pattern!(
        r"\b(?:lösch(?:e|t|en)|lösche?n?\s+sie|loesch(?:e|en)|entfern(?:e|en)|vernicht(?:e|en)|zerstör(?:e|en)|leere?n?|überschreib(?:e|en)|formatier(?:e|en))\s+(?:[a-zäöüß]+\s+){0,4}(?:be)?(?:nutzer|kunden|konten|daten|datenbank(?:en)?|tabellen?|einträge|datensätze|dateien|ordner|sicherungen|backups?|server|protokolle|festplatten?|alles)\b"
    ),
    pattern!(
        r"\b(?:all?e[ns]?|sämtliche|die|das|den|unsere)\s+(?:[a-zäöüß]+\s+){0,2}(?:be)?(?:nutzer|kunden|konten|daten|datenbank(?:en)?|tabellen?|einträge|datensätze|dateien|ordner|sicherungen|backups?|server|festplatten?)\s+(?:[a-zäöüß]+\s+){0,3}(?:löschen|entfernen|vernichten|zerstören|leeren|überschreiben|formatieren)\b"
    ),
    pattern!(
        r"\b(?:supprim(?:e|ez|er)|effac(?:e|ez|er)|détrui(?:s|sez|re)|vid(?:e|ez|er)|purg(?:e|ez|er)|écras(?:e|ez|er))\s+(?:[a-zà-ÿ'’]+\s+){0,3}(?:[dl]['’])?(?:utilisateurs?|comptes?|clients?|données|base|bases|tables?|fichiers?|dossiers?|enregistrements?|sauvegardes?|journaux|disques?|serveurs?|tout)\b"
    ),
    pattern!(
        r"\b(?:elimin(?:a|e|ar|en)|borr(?:a|e|ar|en)|destru(?:ye|ya|ir)|vac(?:ía|íe|iar)|suprim(?:e|a|ir)|cancell(?:a|are)|distrugg(?:i|ere)|svuot(?:a|are)|apag(?:a|ue|ar)|exclu(?:a|i|ir)|delet(?:e|a|ar)|remov(?:a|er))\s+(?:[a-zà-ÿ']+\s+){0,3}(?:usuarios?|cuentas?|clientes?|datos|bases?|tablas?|archivos?|ficheros?|registros?|carpetas?|copias|discos?|servidor(?:es)?|utenti|utente|clienti|dati|database|tabell[ae]|cartell[ae]|usuários?|contas?|dados|banco|tabelas?|arquivos?|pastas?|todo|tutto|tudo)\b"
    ),
    pattern!(
        r"\b(?:удали(?:те|ть)?|сотри(?:те)?|стереть|уничтож(?:ь|ьте|ить)|очисти(?:те|ть)?|снеси(?:те)?)\s+(?:[а-яё]+\s+){0,3}(?:пользовател|аккаунт|учетн|учётн|данны|баз|таблиц|файл|запис|сервер|клиент|папк|диск|вс[её]\b)"
    ),
    pattern!(
        r"(?:删除|刪除|清空|销毁|抹掉|删掉|清除|格式化|摧毁|删了)[^。！？，,.!?\n]{0,12}(?:用户|用戶|账户|账号|数据|資料|数据库|表|文件|记录|备份|日志|服务器|客户|硬盘|磁盘|一切|所有)"
    ),
    pattern!(
        r"(?:用户|用戶|账户|账号|数据|資料|数据库|表|文件|记录|备份|日志|服务器|客户|硬盘|磁盘)[^。！？，,.!?\n]{0,6}(?:删除|刪除|清空|销毁|删掉|清除|删了)"
    ),
    pattern!(r"(?:ユーザー?|データ|テーブル|ファイル|アカウント|顧客)[^。！？\n]{0,10}(?:削除|消去|消して|破棄)"),
    pattern!(r"(?:사용자|데이터|테이블|파일|계정|고객)[^.!?\n]{0,10}(?:삭제|지워|제거)"),
];
/// All of them as one, which is tried where one of them could match alone: beyond ASCII it takes long.
static ORDER: Pattern =
    Pattern::new(|| Cow::Owned(LANGUAGES.iter().map(Pattern::source).collect::<Vec<_>>().join("|")));
/// Questions, prohibitions and talk about it.
static TALK: Pattern = pattern!(concat!(
    r"\b(?:wie|warum|was|wann|wer|welche[rsn]?|nicht|nie|niemals|kein\w*|ohne|erklär\w*|beispiel|satz|sätze|wort|wörter|text|liste",
    r"|comment|pourquoi|quand|que|qui|quel\w*|ne|jamais|sans|explique[rz]?|exemple|phrases?|mots?|texte|liste",
    r"|cómo|por\s+qué|qué|cuándo|quién|no|nunca|sin|explica\w*|ejemplo|frases?|palabras?|texto|lista|come|perché|non|mai|senza|testo|como|não|sem",
    r"|как|почему|что|когда|кто|не|никогда|без|объясни\w*|пример|текст\w*|слов\w*|список|списк\w*|предложени\w*)\b",
    r"|如何|怎么|怎樣|怎样|为什么|什么|不要|别|不能|不得|解释|例子|句子|单词|方法|しない|ないで|方法|なぜ|どう|마세요|방법|어떻게",
));
/// Questions that are requests.
static POLITE: Pattern = pattern!(
    r"\b(?:bitte|kannst\s+du|können\s+sie|könntest\s+du|könnten\s+sie|peux-tu|pouvez-vous|pourriez-vous|puedes|podrías|puede\s+usted|puoi|potresti|pode|você\s+pode|можешь|можете|пожалуйста)\b|请|能不能|可以|ください|주세요"
);

/// The first order, in the sentence it stands in.
pub(super) fn find(view: View<'_>) -> Option<Finding> {
    // Letters of other scripts stay what they are.
    let folded = view.words();
    let plain = folded.text.as_str();
    if !LANGUAGES.iter().any(|language| language.may_match(folded.grams())) {
        return None;
    }
    ORDER.find_iter(folded).find_map(|hit| {
        let ends = ['.', '!', '?', '\n', ';', '。', '！', '？'];
        let near = plain.get(boundary(plain, hit.start().saturating_sub(200))..hit.start())?;
        let before = near.rfind(ends).map_or(near, |at| near.get(at..).unwrap_or(""));
        let rest = plain.get(hit.end()..boundary(plain, (hit.end() + 200).min(plain.len())))?;
        let end = rest.find(ends).unwrap_or(rest.len());
        let (after, asks) = (rest.get(..end)?, rest.get(end..).is_some_and(|rest| rest.starts_with('?')));
        let sentence = [before, hit.as_str(), after].concat();
        let harmless = TALK.is_match(&sentence) || (asks && !POLITE.is_match(&sentence));
        (!harmless).then(|| Finding::new(folded.original(hit.range()), "the text asks to destroy something", 0.8))
    })
}

/// The last character boundary at or before a byte.
fn boundary(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_languages_read_letters_and_spaces_as_the_whole_does() {
        // One in ASCII alone would be spelled in ASCII classes, and could need more than the whole.
        assert!(LANGUAGES.iter().all(|language| !language.source().is_ascii()));
    }
}
