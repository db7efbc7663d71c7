//! Answer templates tried out before a machine asks: each is rendered for a fixture machine of every firmware of each
//! profile that names it, and what comes out is read in the format its file name promises.

mod format;

use std::collections::{BTreeMap, BTreeSet};

use super::Config;
use crate::answer::{AnswerError, Answers};
use crate::boot::Facts;
use crate::catalog::Profile;
use crate::machine::firmware::Firmware;

impl Config {
    /// Every template that a profile names and that can be read, compiled; and what does not compile.
    pub fn compile_answers(&self) -> (Answers, Vec<AnswerError>) {
        let names = self.profiles.iter().flat_map(|profile| profile.rendered().map(|(_, template)| template));
        let text = |name: &String| Some((name.clone(), self.template(name).ok()??.into_owned()));
        Answers::compile(&names.filter_map(text).collect::<BTreeMap<_, _>>())
    }

    /// What is wrong with the answer templates, a line for each: file, line, what. Templates that are not there are
    /// [`Config::check_files`]' to report.
    pub fn check_answers(&self) -> Vec<String> {
        let (answers, broken) = self.compile_answers();
        let mut found: Vec<String> = broken.iter().map(|error| self.sentence(error, "")).collect();
        let mut seen = BTreeSet::new();
        for profile in &self.profiles {
            for (file, template) in profile.rendered().filter(|(_, template)| answers.has(template)) {
                for facts in self.fixtures(profile) {
                    let Err(error) = attempt(&answers, file, template, &facts) else { continue };
                    // One mistake shows for every firmware.
                    if seen.insert((profile.name.as_str(), error.clone())) {
                        let whom = format!(" ({file} of profile {} for {})", profile.name, facts.firmware);
                        found.push(self.sentence(&error, &whom));
                    }
                }
            }
        }
        found
    }

    /// What the fixture machine gets under `name`, a file name or a template, of the first profile that has it; file names go
    /// first.
    ///
    /// # Errors
    /// A sentence: nobody has it, or what is wrong with the template.
    pub fn render_fixture(&self, name: &str) -> Result<String, String> {
        let (answers, broken) = self.compile_answers();
        let all = || self.profiles.iter().flat_map(|each| each.rendered().map(move |answer| (each, answer)));
        let found = all().find(|(_, (file, _))| *file == name).or_else(|| all().find(|(_, (_, each))| *each == name));
        let (profile, (_, template)) =
            found.ok_or_else(|| format!("no profile has an answer or template named {name:?}"))?;
        if let Some(error) = broken.iter().find(|error| error.template == *template) {
            return Err(self.sentence(error, ""));
        }
        let facts = self.fixtures(profile).into_iter().next();
        let facts = facts.ok_or("no network is configured")?;
        answers.render(template, &facts).map_err(|error| self.sentence(&error, ""))
    }

    fn sentence(&self, error: &AnswerError, whom: &str) -> String {
        let line = error.line.map_or(String::new(), |line| format!(":{line}"));
        format!("{}{line}: {}{whom}", self.template_file(&error.template), error.what)
    }

    /// A machine of each firmware of the profile, on the first network.
    fn fixtures(&self, profile: &Profile) -> Vec<Facts> {
        // A profile that only reservations name takes whatever comes.
        let any = [Firmware::Unknown];
        let firmware = if profile.firmware.is_empty() { any.as_slice() } else { &profile.firmware };
        let Some(link) = self.site.links.first() else { return Vec::new() };
        let product = profile.product.as_ref().or(self.products.first().map(|product| &product.name));
        let product = product.map_or_else(|| "KXP2".to_owned(), ToString::to_string);
        let venue = profile.venue.as_ref().or(self.venues.first().map(|each| &each.venue.code));
        let venue = venue.map_or_else(|| "SPAA".to_owned(), ToString::to_string);
        let base_url = self.site.base_url(link);
        let facts = |firmware: &Firmware| Facts {
            mac: "02:00:00:00:00:07".to_owned(),
            serial: "10000000d9780558".to_owned(),
            hostname: format!("{product}-{venue}-007"),
            address: link.pools.first().map_or(link.address, |pool| pool.first).to_string(),
            firmware: firmware.name().to_owned(),
            profile: profile.name.clone(),
            product: product.clone(),
            venue: venue.clone(),
            server: link.address.to_string(),
            base_url: base_url.clone(),
            kernel_args: profile.kernel_args.clone(),
            image_url: format!("{base_url}/images/{}_master.img", product.to_lowercase()),
            image_size: 1024 * 1024 * 1024,
            image_sha256: "5e".repeat(32),
            vars: profile.vars.clone(),
        };
        firmware.iter().map(facts).collect()
    }
}

fn attempt(answers: &Answers, file: &str, template: &str, facts: &Facts) -> Result<(), AnswerError> {
    let text = answers.render(template, facts)?;
    let Some(defect) = format::defect(file, &text) else { return Ok(()) };
    let line = defect.line.and_then(|line| answers.origin(template, facts, &text, line));
    Err(AnswerError { template: template.to_owned(), line, what: defect.what })
}

#[cfg(test)]
mod tests;
