//! `[[product]]` and `[[venue]]`: what is made, how it is named, where it goes.

use std::collections::BTreeSet;

use super::VenueConfig;
use super::reader::{Field, Once, Table};
use super::value;
use crate::ids::{ProductName, VenueCode};
use crate::naming::{self, Product, Scheme, Venue};

const WIDTH: usize = 3;
const DIGITS: usize = 8;

/// Every number of a pool is a name in memory and in the journal.
const NUMBERS_MAX: u32 = 10_000;

/// Reads every `[[product]]`; without any, the two that the field knows.
pub(super) fn products(root: &Table<'_>) -> Vec<Product> {
    let tables = root.tables("product");
    let mut names = Once::new();
    let products: Vec<Product> = tables.iter().filter_map(|table| product(table, &mut names)).collect();
    if tables.is_empty() {
        let known = |name, scheme| ProductName::parse(name).map(|name| Product { name, scheme, image: None });
        let kxp2 = known("KXP2", Scheme::Pooled { width: WIDTH });
        return kxp2.into_iter().chain(known("RXP2", Scheme::Serial { digits: DIGITS })).collect();
    }
    products
}

fn product(table: &Table<'_>, names: &mut Once<ProductName>) -> Option<Product> {
    let name_field = table.field("name");
    let naming_field = table.field("naming");
    let width_field = table.field("width");
    let digits_field = table.field("digits");
    let image_field = table.field("image");

    if name_field.is_none() {
        table.problem("name", "the name is missing", "write name = \"KXP2\"");
    }
    let name = name_field.as_ref().and_then(|field| {
        let name = field.parse("a product name (1 to 16 letters and digits)", "KXP2", ProductName::parse)?;
        names.take(name.clone(), field, format!("the product {name}"));
        Some(name)
    });
    let whole = |field: Option<&Field<'_>>, max, default| {
        field.and_then(|field| field.whole(1..=max)).map_or(default, |number| number as usize)
    };
    let scheme = match naming_field.as_ref().map_or(Some("pooled"), Field::text) {
        Some("pooled") => {
            if let Some(field) = &digits_field {
                field.problem_hint("digits belong to naming = \"serial\"", "pooled names have a width");
            }
            Some(Scheme::Pooled { width: whole(width_field.as_ref(), 9, WIDTH) })
        }
        Some("serial") => {
            if let Some(field) = &width_field {
                field.problem_hint("a width belongs to naming = \"pooled\"", "names by serial have digits");
            }
            Some(Scheme::Serial { digits: whole(digits_field.as_ref(), 32, DIGITS) })
        }
        Some(other) => {
            if let Some(field) = &naming_field {
                let hint = value::did_you_mean(other, ["pooled", "serial"].into_iter());
                field.problem_hint(format!("unknown naming {other:?}"), hint);
            }
            None
        }
        None => None,
    };
    let image = image_field
        .and_then(|field| field.parse("a file below the image directory", "kxp2_master.img", value::relative_path));
    Some(Product { name: name?, scheme: scheme?, image })
}

/// Reads every `[[venue]]`.
pub(super) fn venues(root: &Table<'_>, products: &[Product]) -> Vec<VenueConfig> {
    let mut codes = Once::new();
    root.tables("venue").iter().filter_map(|table| venue(table, products, &mut codes)).collect()
}

fn venue(table: &Table<'_>, products: &[Product], codes: &mut Once<VenueCode>) -> Option<VenueConfig> {
    let code_field = table.field("code");
    let name_field = table.field("name");
    let location = table.field("location").and_then(|field| field.line());
    let email_field = table.field("contact_email");
    let numbers = table.table("numbers");

    if code_field.is_none() {
        table.problem("code", "the code is missing", "write code = \"SPAA\"");
    }
    let code = code_field.and_then(|field| {
        let code = field.parse("a venue code (four of A-Z and 0-9)", "SPAA", VenueCode::parse)?;
        codes.take(code.clone(), &field, format!("the venue {code}"));
        Some(code)
    });
    let name = name_field.and_then(|field| field.line());
    let contact_email =
        email_field.and_then(|field| field.parse("an e-mail address", "crew@example.com", naming::email));
    let mut pools = Vec::new();
    for (key, field) in numbers.iter().flat_map(Table::entries) {
        if let Some(pool) = pool(key, &field, products) {
            pools.push(pool);
        }
    }
    let code = code?;
    let name = name.map_or_else(|| code.to_string(), str::to_owned);
    Some(VenueConfig {
        venue: Venue { code, name, location: location.map(str::to_owned), contact_email, created_at: None },
        pools,
    })
}

fn pool(key: &str, field: &Field<'_>, products: &[Product]) -> Option<(ProductName, Vec<u32>)> {
    let list = field.list();
    let numbers = numbers(&list);
    let known = ProductName::parse(key).and_then(|name| products.iter().find(|product| product.name == name));
    let Some(product) = known else {
        let hint = value::did_you_mean(key, products.iter().map(|product| product.name.as_str()));
        field.problem_hint(format!("unknown product {key:?}"), hint);
        return None;
    };
    if let Scheme::Serial { .. } = product.scheme {
        field.problem_hint(format!("{} is named by serial number", product.name), "it needs no numbers");
        return None;
    }
    Some((product.name.clone(), numbers))
}

/// The numbers of a list of numbers and ranges, ascending.
fn numbers(list: &[Field<'_>]) -> Vec<u32> {
    let mut numbers = BTreeSet::new();
    for field in list {
        let range = if field.is_whole() {
            field.whole(1..=u32::MAX).map(|number| (number, number))
        } else {
            field.parse("a number or a range of numbers", "1-40", naming::numbers::range)
        };
        let Some((first, last)) = range else { continue };
        if first > last {
            field.problem_hint(format!("the range {first}-{last} is reversed"), format!("write \"{last}-{first}\""));
        } else if first == 0 {
            field.problem("numbers begin at 1");
        } else if last - first >= NUMBERS_MAX {
            field.problem(format!("the range {first}-{last} has more than {NUMBERS_MAX} numbers"));
        } else if let Some(twice) = (first..=last).find(|number| numbers.contains(number)) {
            field.problem(format!("the number {twice} stands there twice"));
        } else {
            numbers.extend(first..=last);
        }
    }
    numbers.into_iter().collect()
}

#[cfg(test)]
mod tests;
