//! The table of facts as a file: a line a model, columns parted by tabs, so that a newer snapshot reads well in a diff and
//! is read in a fraction of a millisecond.

use aic_base::{Tokens, Usd};
use std::fmt::Write;

/// What is known of one model. Prices are list prices for text, in dollars a million tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelFacts {
    /// `openai`, `anthropic`, `google`; or who else sells it.
    pub provider: String,
    /// The provider's name for it.
    pub model: String,
    /// Dollars a million tokens of input.
    pub input_per_mtok: f64,
    /// Dollars a million tokens of output.
    pub output_per_mtok: f64,
    /// Of input that is read from the provider's cache.
    pub cache_read_per_mtok: Option<f64>,
    /// Of input that is written to it.
    pub cache_write_per_mtok: Option<f64>,
    /// Other prices for long requests.
    pub tier: Option<Tier>,
    /// The most tokens of a request; 0 where unknown.
    pub context_window: u64,
    /// The most tokens of an answer; 0 where unknown.
    pub max_output: u64,
    /// The day it is taken away, `YYYY-MM-DD`.
    pub retires: Option<String>,
}

/// Prices of requests that are longer than so many tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tier {
    /// More tokens of input than these.
    pub above: u64,
    /// Dollars a million tokens of input, from the first one.
    pub input_per_mtok: f64,
    /// Dollars a million tokens of output.
    pub output_per_mtok: f64,
}

impl ModelFacts {
    /// Whether the name says which model of a line it is: it ends in a date or a version of four digits or more.
    /// `gpt-4o` floats, `gpt-4o-2024-08-06` and `gpt-4-0613` do not.
    pub fn is_pinned(&self) -> bool {
        crate::is_pinned(&self.model)
    }

    /// Whether the seller takes something for each request or search beside the tokens, which the table has no column
    /// for: Perplexity's own models, and those of OpenAI's that search.
    pub fn has_fees(&self) -> bool {
        let name = self.model.rsplit('/').next().unwrap_or_default();
        match self.provider.as_str() {
            "perplexity" => name.starts_with("sonar") || name.starts_with("pplx"),
            "openai" => {
                name.contains("-search-preview") || name.contains("-search-api") || name.contains("-deep-research")
            }
            "google" => name.starts_with("deep-research"),
            _ => false,
        }
    }

    /// What these tokens cost, none of them cached.
    pub fn cost(&self, input: Tokens, output: Tokens) -> Usd {
        let long = self.tier.filter(|tier| input.0 > tier.above);
        let (in_price, out_price) = long
            .map_or((self.input_per_mtok, self.output_per_mtok), |tier| (tier.input_per_mtok, tier.output_per_mtok));
        Usd::per_mtok(input, in_price) + Usd::per_mtok(output, out_price)
    }
}

/// Facts with where they are from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// Whose table, under which licence.
    pub source: String,
    /// Of which day, `YYYY-MM-DD`.
    pub date: String,
    /// By provider and name.
    pub models: Vec<ModelFacts>,
}

/// The file is no table of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct TableError {
    /// From 1.
    pub line: usize,
    /// What is wrong.
    pub why: String,
}

const COLUMNS: &str = "provider\tmodel\tinput\toutput\tcache_read\tcache_write\tabove\tinput_above\toutput_above\twindow\tmax_output\tretires";

impl Table {
    /// The file's text.
    pub fn write(&self) -> String {
        let mut out = format!("# source: {}\n# date: {}\n{COLUMNS}\n", self.source, self.date);
        for facts in &self.models {
            let price = |price: Option<f64>| price.map(|price| price.to_string()).unwrap_or_default();
            let (above, tier_in, tier_out) = match facts.tier {
                Some(tier) => {
                    (tier.above.to_string(), price(Some(tier.input_per_mtok)), price(Some(tier.output_per_mtok)))
                }
                None => Default::default(),
            };
            // Writing to a string cannot fail.
            let _ = writeln!(
                out,
                "{}\t{}\t{}\t{}\t{}\t{}\t{above}\t{tier_in}\t{tier_out}\t{}\t{}\t{}",
                facts.provider,
                facts.model,
                facts.input_per_mtok,
                facts.output_per_mtok,
                price(facts.cache_read_per_mtok),
                price(facts.cache_write_per_mtok),
                facts.context_window,
                facts.max_output,
                facts.retires.as_deref().unwrap_or_default(),
            );
        }
        out
    }

    /// Reads the file's text.
    ///
    /// # Errors
    /// [`TableError`], which names the line.
    pub fn read(text: &str) -> Result<Self, TableError> {
        let mut table = Self::default();
        let mut seen_columns = false;
        for (i, line) in text.lines().enumerate() {
            let wrong = |why: &str| TableError { line: i + 1, why: why.to_owned() };
            if let Some(about) = line.strip_prefix("# ") {
                if let Some(source) = about.strip_prefix("source: ") {
                    source.clone_into(&mut table.source);
                } else if let Some(date) = about.strip_prefix("date: ") {
                    date.clone_into(&mut table.date);
                }
            } else if !seen_columns {
                if line != COLUMNS {
                    return Err(wrong("the columns are not those of this version"));
                }
                seen_columns = true;
            } else if !line.is_empty() {
                table.models.push(row(line).map_err(wrong)?);
            }
        }
        if seen_columns { Ok(table) } else { Err(TableError { line: 1, why: "there are no columns".into() }) }
    }
}

fn row(line: &str) -> Result<ModelFacts, &'static str> {
    let mut cells = line.split('\t');
    let mut cell = || cells.next().ok_or("a column is missing");
    let price = |text: &str| -> Result<Option<f64>, &'static str> {
        if text.is_empty() {
            return Ok(None);
        }
        let price: f64 = text.parse().map_err(|_| "a price is no number")?;
        if price.is_finite() && price >= 0.0 { Ok(Some(price)) } else { Err("a price is no amount") }
    };
    let count = |text: &str| text.parse::<u64>().map_err(|_| "a count is no number");
    let (provider, model) = (cell()?.to_owned(), cell()?.to_owned());
    let (input, output) = (price(cell()?)?, price(cell()?)?);
    let (cache_read, cache_write) = (price(cell()?)?, price(cell()?)?);
    let (above, tier_in, tier_out) = (cell()?, price(cell()?)?, price(cell()?)?);
    let tier = match (above, tier_in, tier_out) {
        ("", _, _) => None,
        (above, Some(input_per_mtok), Some(output_per_mtok)) => {
            Some(Tier { above: count(above)?, input_per_mtok, output_per_mtok })
        }
        _ => return Err("a price for long requests is missing"),
    };
    let (context_window, max_output) = (count(cell()?)?, count(cell()?)?);
    let retires = Some(cell()?).filter(|day| !day.is_empty()).map(str::to_owned);
    if provider.is_empty() || model.is_empty() {
        return Err("a name is missing");
    }
    Ok(ModelFacts {
        provider,
        model,
        input_per_mtok: input.ok_or("a price is missing")?,
        output_per_mtok: output.ok_or("a price is missing")?,
        cache_read_per_mtok: cache_read,
        cache_write_per_mtok: cache_write,
        tier,
        context_window,
        max_output,
        retires,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_as_it_was_written() {
        let facts = |model: &str, tier| ModelFacts {
            provider: "p".into(),
            model: model.into(),
            input_per_mtok: 0.0375,
            output_per_mtok: 12.5,
            cache_read_per_mtok: None,
            cache_write_per_mtok: Some(3.75),
            tier,
            context_window: 128_000,
            max_output: 0,
            retires: Some("2027-01-14".into()),
        };
        let tier = Some(Tier { above: 200_000, input_per_mtok: 1.0, output_per_mtok: 2.0 });
        let table = Table {
            source: "s (MIT)".into(),
            date: "2026-01-01".into(),
            models: vec![facts("a", tier), facts("b", None)],
        };
        assert_eq!(Table::read(&table.write()), Ok(table));
    }

    #[test]
    fn a_broken_line_is_named() {
        for (row, why) in [
            ("p\tm", "missing"),
            ("p\tm\tx\t1\t\t\t\t\t\t0\t0\t", "no number"),
            ("p\tm\t-1\t1\t\t\t\t\t\t0\t0\t", "no amount"),
        ] {
            let error = Table::read(&format!("{COLUMNS}\n{row}\n")).unwrap_err();
            assert!(error.line == 2 && error.why.contains(why), "{error}");
        }
        assert!(Table::read("").is_err() && Table::read("<html>").is_err());
    }

    #[test]
    fn a_long_request_costs_what_long_requests_cost() {
        let mut table = Table::read(&format!("{COLUMNS}\np\tm\t1\t2\t\t\t1000\t10\t20\t0\t0\t\n")).unwrap();
        let facts = table.models.remove(0);
        assert_eq!(facts.cost(Tokens(1000), Tokens(0)), Usd::from_dollars(0.001));
        assert_eq!(facts.cost(Tokens(1001), Tokens(100)), Usd::from_dollars(0.01201));
    }
}
