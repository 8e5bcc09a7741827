//! The network, which guests do not have: every socket and every name is refused, as programs understand it.

use super::types::{AddressFamily, AddressStream, Datagrams, Network, NetworkError, StreamFault, UdpSocket};
use super::{Holds, Offered, functions};
use wasmtime::Result;
use wasmtime::component::Resource;

pub(super) fn network<T: Holds>(offered: &mut Offered<'_, T>) -> Result<()> {
    offered.resource::<Network>("network")?;
    functions! { offered: "network-error-code" => |_, _error: Resource<StreamFault>| None::<NetworkError>; }
    Ok(())
}

pub(super) fn instance_network<T: Holds>(offered: &mut Offered<'_, T>) -> Result<()> {
    functions! { offered: "instance-network" => |wasi| wasi.handles.push(Network)?; }
    Ok(())
}

pub(super) fn lookup<T: Holds>(offered: &mut Offered<'_, T>) -> Result<()> {
    offered.empty::<AddressStream>("resolve-address-stream")?;
    functions! { offered:
        "resolve-addresses" => |_, _network: Resource<Network>, _name: String| {
            Err::<Resource<AddressStream>, _>(NetworkError::AccessDenied)
        };
    }
    Ok(())
}

pub(super) fn udp<T: Holds>(offered: &mut Offered<'_, T>) -> Result<()> {
    offered.empty::<UdpSocket>("udp-socket")?;
    offered.empty::<Datagrams>("incoming-datagram-stream")?;
    offered.empty::<Datagrams>("outgoing-datagram-stream")
}

pub(super) fn create<T: Holds, R: 'static>(offered: &mut Offered<'_, T>, name: &'static str) -> Result<()> {
    functions! { offered: name => |_, _family: AddressFamily| Err::<Resource<R>, _>(NetworkError::AccessDenied); }
    Ok(())
}
