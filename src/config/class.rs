//! `[[class]]`: what clients have in common.

use super::option::{self, Level};
use super::reader::{Field, Once, Table};
use super::value;
use crate::class::{BOOTP, Class, KNOWN};

/// Reads every `[[class]]`.
pub(super) fn read(root: &Table<'_>) -> Vec<Class> {
    let mut names = Once::new();
    root.tables("class").iter().filter_map(|table| class(table, &mut names)).collect()
}

fn class(table: &Table<'_>, names: &mut Once<String>) -> Option<Class> {
    let name_field = table.field("name");
    let firmware = table.list("firmware").unwrap_or_default();
    let arch = table.list("arch").unwrap_or_default();
    let bytes = |key| {
        let field: Option<Field<'_>> = table.field(key);
        field.and_then(|f| f.parse("a text, or 0x and hex digits", "PXEClient", value::bytes)).unwrap_or_default()
    };
    let prefix = |key, max: usize| {
        let fits = |text: &str| value::hex(text).filter(|bytes| (1..=max).contains(&bytes.len()));
        table.field(key).and_then(|f| f.parse("the beginning in hex", "dc:a6:32", fits)).unwrap_or_default()
    };
    let class = Class {
        name: String::new(),
        firmware: firmware.iter().filter_map(|field| super::profile::firmware(field.text()?, field)).collect(),
        arch: arch.iter().filter_map(|field| u16::try_from(field.whole(0..=u32::from(u16::MAX))?).ok()).collect(),
        vendor_class: bytes("vendor_class"),
        user_class: bytes("user_class"),
        uuid: prefix("uuid", 16),
        mac: prefix("mac", 6),
        option: table.table("option").and_then(|table| option_value(&table)),
        options: option::of(table, Level::Other),
    };
    let Some(field) = name_field else {
        table.problem("name", "the name is missing", "write name = \"kiosk\"");
        return None;
    };
    let name = field.parse("a name (letters, digits, . _ -)", "kiosk", value::name)?;
    if [KNOWN, BOOTP].contains(&name.as_str()) {
        field.problem(format!("the class {name} is built in"));
    }
    names.take(name.clone(), &field, format!("the class {name:?}"));
    Some(Class { name, ..class })
}

/// `option = { number, value }`: exactly this value.
fn option_value(table: &Table<'_>) -> Option<(u8, Vec<u8>)> {
    let number_field = table.field("number");
    let value_field = table.field("value");
    if number_field.is_none() || value_field.is_none() {
        let hint = "write option = { number = 17, value = \"/srv\" }";
        table.problem("option", "number and value are needed", hint);
    }
    let number = number_field?.whole(1..=254).and_then(|number| u8::try_from(number).ok());
    Some((number?, value_field?.parse("a text, or 0x and hex digits", "0x0102", value::bytes)?))
}

#[cfg(test)]
mod tests;
