//! Users and groups, by name or number.

use std::io;

use nix::errno::Errno;
use nix::unistd::{Gid, Group, Uid, User};

/// A user or a group, by its number or its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Account {
    /// By number.
    Id(u32),
    /// By name, which the system looks up.
    Name(String),
}

impl From<u32> for Account {
    fn from(id: u32) -> Self {
        Self::Id(id)
    }
}

impl From<&str> for Account {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<String> for Account {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

/// Who a child is to be.
#[derive(Clone, Debug, Default)]
pub(super) struct Identity {
    pub(super) user: Option<Account>,
    pub(super) group: Option<Account>,
    pub(super) groups: Option<Vec<Account>>,
}

/// The same in numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Ids {
    pub(super) user: Option<u32>,
    pub(super) group: Option<u32>,
    pub(super) groups: Option<Vec<u32>>,
    /// Nobody has asked for these groups: they are instead of this process's own, which are to be given up if they may.
    pub(super) groups_if_permitted: bool,
}

impl Identity {
    pub(super) fn is_given(&self) -> bool {
        self.user.is_some() || self.group.is_some() || self.groups.is_some()
    }

    /// Looks up what is not a number. The group is the user's own if none is given, and of the groups that this process is
    /// in none is left, where it may give them up.
    pub(super) fn resolve(&self) -> Result<Ids, (String, io::Error)> {
        let (user, users_group) = match &self.user {
            None => (None, None),
            Some(Account::Id(id)) => (Some(*id), self.group_of(*id)?),
            Some(Account::Name(name)) => {
                let entry = found(User::from_name(name), "user", name)?;
                (Some(entry.uid.as_raw()), Some(entry.gid.as_raw()))
            }
        };
        let group = self.group.as_ref().map(group_id).transpose()?.or(users_group);
        let groups = match &self.groups {
            Some(groups) => Some(groups.iter().map(group_id).collect::<Result<_, _>>()?),
            None => self.is_given().then(|| Vec::from_iter(group)),
        };
        let groups_if_permitted =
            self.is_given() && self.groups.is_none() && !Uid::effective().is_root();
        Ok(Ids { user, group, groups, groups_if_permitted })
    }

    /// The group of a user by number. One that nobody knows of is not to have this process's group, unless it is its user.
    fn group_of(&self, user: u32) -> Result<Option<u32>, (String, io::Error)> {
        let error = match User::from_uid(Uid::from_raw(user)) {
            Ok(Some(entry)) => return Ok(Some(entry.gid.as_raw())),
            _ if self.group.is_some() || Uid::effective().as_raw() == user => return Ok(None),
            Ok(None) => io::Error::new(io::ErrorKind::NotFound, "it has none; give a group"),
            Err(errno) => errno.into(),
        };
        Err((format!("the group of user {user}"), error))
    }
}

fn group_id(account: &Account) -> Result<u32, (String, io::Error)> {
    match account {
        Account::Id(id) => Ok(Gid::from_raw(*id).as_raw()),
        Account::Name(name) => Ok(found(Group::from_name(name), "group", name)?.gid.as_raw()),
    }
}

fn found<T>(
    entry: Result<Option<T>, Errno>,
    what: &str,
    name: &str,
) -> Result<T, (String, io::Error)> {
    let none = || io::Error::new(io::ErrorKind::NotFound, "there is none of that name");
    let entry = entry.map_err(io::Error::from).and_then(|entry| entry.ok_or_else(none));
    entry.map_err(|error| (format!("{what} {name:?}"), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no users")]
    fn names_are_looked_up_and_a_user_brings_its_group() {
        let root = Identity { user: Some("root".into()), ..Identity::default() };
        let ids = root.resolve().unwrap();
        assert_eq!((ids.user, ids.group), (Some(0), Some(0)));
        let both = Identity { group: Some(7.into()), ..root };
        assert_eq!(both.resolve().unwrap().group, Some(7));
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no users")]
    fn who_is_not_there_is_an_error() {
        let nobody = Identity { user: Some("no such user".into()), ..Identity::default() };
        let (whom, error) = nobody.resolve().unwrap_err();
        assert_eq!(
            (whom.as_str(), error.kind()),
            ("user \"no such user\"", io::ErrorKind::NotFound)
        );
    }
}
