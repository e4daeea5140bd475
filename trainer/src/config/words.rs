//! What is wrong with a TOML file, in words that name no type of Rust.
//!
//! ```text
//! invalid type: string "x", expected usize   ->   layer 2 (dense), `units`: expected a whole number, found "x"
//! ```

use toml::{Table, Value};

use super::Layer;

/// Most characters of a line that are quoted.
const MAX_QUOTE: usize = 80;

/// The place, what is expected there, and what was found.
pub(crate) fn explain(text: &str, error: &toml::de::Error) -> String {
    let what = in_words(error.message());
    let place = layer_at_fault(text, error.message()).or_else(|| line_at_fault(text, error));
    match place {
        Some(place) => format!("{place}: {what}"),
        None => what,
    }
}

/// The layer that `message` is about, with the key. A layer's kind decides its keys, so the parser knows
/// no more than that the error is somewhere in the list.
fn layer_at_fault(text: &str, message: &str) -> Option<String> {
    let table: Table = text.parse().ok()?;
    let layers = table.get("layers")?.as_array()?;
    let fails = |layer: &Value| {
        let error = layer.clone().try_into::<Layer>().err()?;
        (error.message() == message).then_some(())
    };
    let (index, layer) = layers.iter().enumerate().find(|(_, layer)| fails(layer).is_some())?;
    let mut place = format!("layer {}", index + 1);
    let Some(layer) = layer.as_table() else { return Some(place) };
    if let Some(kind) = layer.get("type").and_then(Value::as_str) {
        place.push_str(&format!(" ({kind})"));
    }
    // The key without which this is not the error.
    let key = layer.keys().filter(|key| *key != "type").find(|key| {
        let mut rest = layer.clone();
        rest.remove(*key);
        fails(&Value::Table(rest)).is_none()
    });
    if let (Some(key), false) = (key, message.contains("field `")) {
        place.push_str(&format!(", `{key}`"));
    }
    Some(place)
}

/// The line that the error is in, with its number.
fn line_at_fault(text: &str, error: &toml::de::Error) -> Option<String> {
    if error.message().starts_with("missing field") {
        return None; // is nowhere
    }
    let before = text.get(..error.span()?.start)?;
    let number = before.matches('\n').count();
    let line: String = text.lines().nth(number)?.trim().chars().take(MAX_QUOTE).collect();
    Some(format!("line {}, `{line}`", number + 1))
}

/// Rewrites the messages of serde; others are in words already.
pub(crate) fn in_words(message: &str) -> String {
    let parts = ["invalid type: ", "invalid value: ", "invalid length "]
        .iter()
        .find_map(|start| message.strip_prefix(start))
        .and_then(|rest| rest.rsplit_once(", expected "));
    let Some((found, expected)) = parts else { return message.to_owned() };
    format!("expected {}, found {}", expectation(expected), finding(found))
}

fn expectation(expected: &str) -> String {
    match expected {
        "usize" | "u64" | "u8" => "a whole number, not negative and not too large".to_owned(),
        "f64" => "a number".to_owned(),
        "a string" => "a text in quotes".to_owned(),
        "a sequence" => "a list".to_owned(),
        "an array of length 3" => "3 values".to_owned(),
        _ if expected.contains("enum Layer") => "a layer, such as { type = \"relu\" }".to_owned(),
        _ if expected.starts_with("struct ") => "a table".to_owned(),
        other => other.to_owned(),
    }
}

fn finding(found: &str) -> String {
    if found.bytes().all(|byte| byte.is_ascii_digit()) {
        return format!("{found} of them");
    }
    let value = ["string ", "integer ", "floating point ", "boolean "]
        .iter()
        .find_map(|kind| found.strip_prefix(kind));
    match (found, value) {
        ("map", _) => "a table".to_owned(),
        ("sequence", _) => "a list".to_owned(),
        (_, Some(value)) => value.trim_end_matches(" as i128").trim_matches('`').to_owned(),
        (other, None) => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn errors_name_place_expectation_and_finding() {
        let good = "name = \"a\"\ninput = [6, 6, 1]\nseed = 1\nlayers = [\n{ type = \"flatten\" },\n\
                    { type = \"dense\", units = 4, bits = 8 },\n]\n[training]\nepochs = 3\nlearning_rate = 0.1\n";
        Config::parse(good, "x.toml").unwrap();
        let whole = "expected a whole number, not negative and not too large, found";
        let cases = [
            ("epochs = 3", "epochs = \"many\"", format!("line 9, `epochs = \"many\"`: {whole} \"many\"")),
            ("epochs = 3", "epochs = -3", format!("line 9, `epochs = -3`: {whole} -3")),
            ("seed = 1", "seed = 99999999999999999999", format!("{whole} 99999999999999999999")),
            ("= 0.1", "= \"x\"", "expected a number, found \"x\"".to_owned()),
            ("name = \"a\"", "name = [1]", "expected a text in quotes, found a list".to_owned()),
            ("6, 1]", "6]", "line 2, `input = [6, 6]`: expected 3 values, found 2 of them".to_owned()),
            (
                "seed = 1",
                "quantization = 1",
                "line 3, `quantization = 1`: expected a table, found 1".to_owned(),
            ),
            ("units = 4", "units = \"x\"", format!("layer 2 (dense), `units`: {whole} \"x\"")),
            ("units = 4", "units = 1.5", format!("layer 2 (dense), `units`: {whole} 1.5")),
            ("bits = 8", "bits = 300", format!("layer 2 (dense), `bits`: {whole} 300")),
            ("units = 4, ", "", "layer 2 (dense): missing field `units`".to_owned()),
            ("units = 4", "unit = 4", "layer 2 (dense): unknown field `unit`".to_owned()),
            ("\"flatten\"", "\"flat\"", "layer 1 (flat): unknown variant `flat`".to_owned()),
            ("{ type = \"flatten\" }", "3", "layer 1: expected a layer, such as".to_owned()),
            ("input = [6, 6, 1]\n", "", "x.toml: missing field `input`".to_owned()),
        ];
        for (old, new, expected) in cases {
            let message = format!("{:#}", Config::parse(&good.replace(old, new), "x.toml").unwrap_err());
            assert!(message.starts_with("x.toml: ") && message.contains(&expected), "{message}");
            for word in ["usize", "u64", "u8", "f64", "i128", "struct", "enum"] {
                assert!(!message.contains(word), "{message}");
            }
        }
    }
}
