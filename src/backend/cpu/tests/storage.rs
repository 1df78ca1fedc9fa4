use super::*;
use crate::backend::HostTensor;
use crate::backend::ops::{Gather, Noise};
use crate::error::Error;
use crate::shape::Nchw;

fn shapes() -> Vec<TensorShape> {
    vec![
        TensorShape::Vector(7),
        TensorShape::Image(Nchw::new(2, 3, 5, 4)),
        TensorShape::Image(Nchw::new(1, 67, 33, 2)),
        TensorShape::Filter([5, 3, 4, 2]),
        TensorShape::Filter([40, 33, 3, 3]),
    ]
}

#[test]
fn host_memory_comes_back_as_it_went_in() {
    let backend = cpu();
    for shape in shapes() {
        let host = normals(1, shape.len());
        let buffer = tensor(&backend, shape, &host);
        let mut back = vec![f32::NAN; shape.len()];
        backend.download(&mut back, &buffer).unwrap();
        assert_eq!(back, host, "{shape}");

        let mut restored = backend.alloc(shape).unwrap();
        backend.restore(&mut restored, &backend.snapshot(&buffer).unwrap()).unwrap();
        assert_eq!(bits(&restored), bits(&buffer));
        let wide = HostTensor::F64(host.iter().map(|&v| f64::from(v)).collect());
        let mut restored = backend.alloc(shape).unwrap();
        backend.restore(&mut restored, &wide).unwrap();
        assert_eq!(bits(&restored), bits(&buffer));

        let mut copy = poisoned(&backend, shape);
        backend.copy(&mut copy, &buffer).unwrap();
        assert_eq!(bits(&copy), bits(&buffer));
    }
}

/// The layout that the module promises, element by element.
#[test]
fn channels_lie_innermost() {
    let backend = cpu();
    let counted = |len: usize| (0..len).map(|i| i as f32).collect::<Vec<_>>();
    let (n, c, h, w) = (2, 3, 4, 5);
    let image = TensorShape::Image(Nchw::new(n, c, h, w));
    let image = tensor(&backend, image, &counted(image.len()));
    let (o, kh, kw) = (2, 4, 5);
    let filter = TensorShape::Filter([o, c, kh, kw]);
    let filter = tensor(&backend, filter, &counted(filter.len()));
    for (n, c, i, j) in [(0, 0, 0, 0), (1, 2, 3, 4), (0, 1, 2, 3), (1, 0, 3, 1)] {
        let host = ((n * 3 + c) * h + i) * w + j;
        assert_eq!(image.data[((n * h + i) * w + j) * 3 + c], host as f32);
        assert_eq!(filter.data[((i * kw + j) * 3 + c) * o + n], host as f32);
    }
}

#[test]
fn host_memory_of_the_wrong_length_is_refused() {
    let backend = cpu();
    let mut buffer = backend.alloc(TensorShape::Vector(3)).unwrap();
    assert!(backend.upload(&mut buffer, &[0.0; 4]).is_err());
    assert!(backend.download(&mut [0.0; 2], &buffer).is_err());
    assert!(backend.restore(&mut buffer, &HostTensor::F64(vec![0.0; 2])).is_err());
    let other = backend.alloc(TensorShape::Image(Nchw::new(1, 3, 1, 1))).unwrap();
    assert!(backend.copy(&mut buffer, &other).is_err());
}

#[test]
fn every_number_that_is_not_finite_is_counted() {
    let backend = cpu();
    let mut host = normals(1, 200_001);
    host[0] = f32::NAN;
    host[70_000] = f32::INFINITY;
    host[200_000] = f32::NEG_INFINITY;
    let buffer = tensor(&backend, TensorShape::Vector(host.len()), &host);
    assert_eq!(backend.count_non_finite(&buffer).unwrap(), 3);
}

#[test]
fn a_batch_is_gathered_as_in_the_reference() {
    let set: Vec<u8> = (0..5 * 3 * 4 * 2u32).map(|i| (i * 37 % 256) as u8).collect();
    let p = Gather { shape: Nchw::new(4, 2, 3, 4) };
    let mut y = Pair::poisoned(TensorShape::Image(p.shape));
    let indices = [4, 0, 2, 4];
    let bytes = cpu().upload_bytes(&set).unwrap();
    cpu().gather(p, &mut y.cpu, &bytes, &indices).unwrap();
    Reference.gather(p, &mut y.reference, &set, &indices).unwrap();
    y.assert_close("y", 5e-8);

    for wrong in [&[4, 0, 5, 1][..], &[4, 0, u32::MAX, 1], &[0, 1, 2]] {
        assert!(cpu().gather(p, &mut y.cpu, &bytes, wrong).is_err(), "{wrong:?}");
    }
    let all = cpu().upload_bytes(&(0..=255).collect::<Vec<u8>>()).unwrap();
    let p = Gather { shape: Nchw::new(1, 1, 16, 16) };
    let mut y = cpu().alloc(TensorShape::Image(p.shape)).unwrap();
    cpu().gather(p, &mut y, &all, &[0]).unwrap();
    assert_eq!((y.data[0], y.data[255]), (-1.0, 1.0));
}

#[test]
fn noise_is_the_references_rounded() {
    let p = Noise { seed: 5, stream: Stream::TrainNoise, n: 33, len: 13 };
    let mut z = Pair::poisoned(TensorShape::Image(Nchw::new(33, 13, 1, 1)));
    let step = Pair::new(TensorShape::Vector(1), &[41.0]);
    cpu().noise(p, &mut z.cpu, &step.cpu).unwrap();
    Reference.noise(p, &mut z.reference, &step.reference).unwrap();
    let rounded: Vec<f64> =
        values(&Reference, &z.reference).iter().map(|&v| f64::from(v as f32)).collect();
    assert_eq!(values(&cpu(), &z.cpu), rounded);

    let mut short = cpu().alloc(TensorShape::Vector(5)).unwrap();
    assert!(cpu().noise(p, &mut short, &step.cpu).is_err());
}

#[test]
fn a_backend_needs_a_thread() {
    assert!(matches!(Cpu::new(Some(0)), Err(Error::Config(_))));
    assert_eq!(Cpu::new(Some(2)).unwrap().threads(), 2);
    assert!(Cpu::new(None).unwrap().describe().starts_with("cpu, "));
}

#[test]
fn an_instruction_set_is_chosen_by_name() {
    use crate::backend::cpu::algorithm::chosen_isa;
    use crate::backend::cpu::simd::Isa;
    assert_eq!(chosen_isa(None).unwrap(), Isa::detect());
    for isa in Isa::all() {
        assert_eq!(chosen_isa(Some(isa.key().into())).unwrap(), isa);
    }
    let error = chosen_isa(Some("sse9".into())).unwrap_err().to_string();
    assert!(
        error.contains("DERMAGLYPH_CPU_ISA=sse9: this machine has ") && error.contains("portable")
    );
}
