//! The schema for editors describes every key, wherever an editor points.

use serde_json::Value;

use crate::config::schema;

/// Returns the schema of `[task.NAME]`.
fn task(schema: &Value) -> &Value {
    schema["properties"]["task"]["patternProperties"].as_object().unwrap().values().next().unwrap()
}

#[test]
fn every_key_has_a_description_of_one_line_and_no_key_besides_is_allowed() {
    fn check(object: &Value, at: &str) {
        assert_eq!(object["additionalProperties"], false, "{at}");
        for (key, value) in object["properties"].as_object().unwrap() {
            let description = value["description"].as_str().unwrap_or_else(|| panic!("{at}.{key} has no description"));
            assert!(description.len() > 20 && !description.contains('\n'), "{at}.{key}: {description}");
            assert!(
                !value["type"].to_string().contains("null") && !value["enum"].to_string().contains(",null"),
                "{at}.{key} may be null, which TOML does not know"
            );
        }
    }
    let schema = schema();
    check(&schema, "");
    check(&schema["properties"]["workspace"], "workspace");
    check(&schema["properties"]["cache"], "cache");
    check(task(&schema), "task");
}

/// Editors with Taplo show the description of an item for the key of a non-empty array, and that of a value for a key
/// of a table.
#[test]
fn an_editor_has_something_to_say_wherever_one_points() {
    fn is_described(schema: &Value, place: &str) {
        if schema.get("description").is_none() && place != "#" {
            panic!("{place} has no description");
        }
        for part in ["properties", "patternProperties"] {
            let parts = schema[part].as_object();
            parts.into_iter().flatten().for_each(|(name, inner)| is_described(inner, &format!("{place}/{name}")));
        }
        for part in
            ["items", "additionalProperties"].map(|part| &schema[part]).into_iter().filter(|part| part.is_object())
        {
            is_described(part, &format!("{place}/*"));
        }
    }
    is_described(&schema(), "#");
}
