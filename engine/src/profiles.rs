//! Profiles in use: each once, however many lines and orders have it.

use std::hash::BuildHasher;
use std::ops::Index;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::line::index;
use crate::profile::Profile;

#[derive(Debug, Clone)]
struct Kept {
    profile: Profile,
    /// How many lines and orders have it.
    users: u32,
}

/// A profile is kept while somebody has it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Profiles {
    places: Vec<Kept>,
    free: Vec<u32>,
    by_profile: HashTable<u32>,
}

fn hash(profile: &Profile) -> u64 {
    FixedState::with_seed(0).hash_one(profile)
}

impl Profiles {
    /// The place of a profile for one more who has it.
    pub(crate) fn take(&mut self, profile: &Profile) -> u32 {
        let hashed = hash(profile);
        if let Some(&place) = self.by_profile.find(hashed, |&place| self[place] == *profile) {
            self.share(place);
            return place;
        }
        let kept = Kept { profile: profile.clone(), users: 1 };
        let place = if let Some(place) = self.free.pop() {
            self.places[place as usize] = kept;
            place
        } else {
            self.places.push(kept);
            index(self.places.len() - 1)
        };
        self.by_profile.insert_unique(hashed, place, |&place| hash(&self.places[place as usize].profile));
        place
    }

    /// One more has the profile of a place.
    pub(crate) fn share(&mut self, place: u32) {
        self.places[place as usize].users += 1;
    }

    /// One who had it has it no more.
    pub(crate) fn give_back(&mut self, place: u32) {
        let kept = &mut self.places[place as usize];
        kept.users -= 1;
        if kept.users == 0 {
            if let Ok(entry) = self.by_profile.find_entry(hash(&kept.profile), |&found| found == place) {
                entry.remove();
            }
            self.free.push(place);
        }
    }

    /// How many have one, counted one by one.
    pub(crate) fn users(&self) -> usize {
        self.places.iter().map(|kept| kept.users as usize).sum()
    }

    /// How many places there are, empty ones included.
    pub(crate) fn places(&self) -> usize {
        self.places.len()
    }
}

impl Index<u32> for Profiles {
    type Output = Profile;

    fn index(&self, place: u32) -> &Profile {
        &self.places[place as usize].profile
    }
}
