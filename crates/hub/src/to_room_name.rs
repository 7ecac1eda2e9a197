use crate::core::{RoomName, RoomNameError};

/// A value that names a room: a [`RoomName`], or text that is checked.
pub trait ToRoomName {
    /// Returns the name.
    ///
    /// # Errors
    /// If the text is not the name of a room.
    fn to_room_name(&self) -> Result<RoomName, RoomNameError>;
}

impl ToRoomName for RoomName {
    fn to_room_name(&self) -> Result<RoomName, RoomNameError> {
        Ok(self.clone())
    }
}

impl ToRoomName for str {
    fn to_room_name(&self) -> Result<RoomName, RoomNameError> {
        RoomName::new(self)
    }
}

impl ToRoomName for String {
    fn to_room_name(&self) -> Result<RoomName, RoomNameError> {
        RoomName::new(self)
    }
}

impl<T: ToRoomName + ?Sized> ToRoomName for &T {
    fn to_room_name(&self) -> Result<RoomName, RoomNameError> {
        (**self).to_room_name()
    }
}
