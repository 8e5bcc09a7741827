fn main() {
    for (text, at) in [
        (include_str!("../tests/fixtures/page.aicontainer.yml"), 1009usize), (include_str!("../tests/fixtures/page.aicontainer.yml"), 1503), (include_str!("../tests/fixtures/page.aicontainer.yml"), 2378),(include_str!("../tests/fixtures/page.aicontainer.yml"), 3203), (include_str!("../tests/fixtures/page.aicontainer.yml"), 4130)
    ] {
        let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
        let cut = format!("{}{}", &text[..at], &text[end..]);
        println!("--- {}", text[..at].lines().last().unwrap());
        let parsed = aic_spec::parse(&cut);
        for e in parsed.errors { println!("  {:?} `{}` {}", e.span, e.span.of(&cut).lines().next().unwrap_or(""), e.message); }
        println!("{:?}", parsed.root.unwrap().entries().iter().map(|e| e.key.text().unwrap_or("?").to_owned()).collect::<Vec<_>>());
    }
}
