//! How messages become bytes: the codec of gRPC for Protocol Buffers.
//!
//! The crate that has it for everybody brings what derives messages, and with that another build of RocksDB.

use std::marker::PhantomData;

use prost::Message;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// Encodes messages `T` and decodes messages `U`.
pub struct ProstCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for ProstCodec<T, U> {
    fn default() -> Self {
        ProstCodec(PhantomData)
    }
}

impl<T: Message + 'static, U: Message + Default + 'static> Codec for ProstCodec<T, U> {
    type Encode = T;
    type Decode = U;
    type Encoder = One<T>;
    type Decoder = One<U>;

    fn encoder(&mut self) -> One<T> {
        One(PhantomData)
    }

    fn decoder(&mut self) -> One<U> {
        One(PhantomData)
    }
}

/// One direction.
pub struct One<T>(PhantomData<T>);

impl<T: Message> Encoder for One<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, message: T, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message.encode(to).map_err(|e| Status::internal(e.to_string()))
    }
}

impl<T: Message + Default> Decoder for One<T> {
    type Item = T;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<T>, Status> {
        T::decode(from).map(Some).map_err(|e| Status::internal(format!("the answer is damaged: {e}")))
    }
}
