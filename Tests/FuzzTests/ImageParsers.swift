import CZlib
import Foundation
import ModelSpace
import Networks
import Reporting
import Tensors
import Testing
import Volumes

@testable import Diffusion

/// Images and gradient tables.
extension FuzzedParser {
    static func images(_ folder: String) throws -> [FuzzedParser] {
        let geometry = VolumeGeometry(
            shape: [4, 3, 2, 5], affine: Affine(rows: [-2, 0, 0, 3, 0, 2, 0, -2, 0, 0, 2, -1]))
        let path = folder + "/seed.nii"
        try VolumeWriter.write(path, geometry: geometry, as: Int16.self) { t, grid in
            for i in grid.indices { grid[i] = Int16(i * (t + 1)) }
        }
        let first = try bytes(path)
        try VolumeWriter.write(path, geometry: geometry.withTrailing([]), as: Float.self) { _, grid in
            for i in grid.indices { grid[i] = Float(i % 2) }
        }
        let mask = try bytes(path), seeds = [first, mask, nifti2()]
        // dim, datatype, bitpix, pixdim, vox_offset, slope, codes, quaternion, sform of NIfTI-1; of NIfTI-2 what stands
        // elsewhere.
        func fields(_ single: [(Int, Int)], _ runs: [(first: Int, count: Int, width: Int)]) -> [(
            offset: Int, width: Int
        )] {
            var all: [(offset: Int, width: Int)] = single.map { (offset: $0.0, width: $0.1) }
            for run in runs {
                for k in 0..<run.count { all.append((offset: run.first + k * run.width, width: run.width)) }
            }
            return all
        }
        let one = fields(
            [(0, 4), (70, 2), (72, 2), (108, 4), (112, 4), (116, 4), (252, 2), (254, 2), (344, 4)],
            [(40, 8, 2), (76, 8, 4), (256, 6, 4), (280, 12, 4)])
        let two = fields(
            [(0, 4), (4, 8), (12, 2), (168, 8), (176, 8), (184, 8), (344, 4), (348, 4)],
            [(16, 8, 8), (104, 8, 8), (352, 6, 8), (400, 12, 8)])
        func damage(_ m: inout Mutator, _ seed: [UInt8]) -> [UInt8] {
            m.binary(seed, fields: seed[0] == 0x1C ? two : one)
        }
        func read(_ path: String) throws {
            let reader = try VolumeReader(path: path), grid = reader.geometry
            _ = try? Mask(path: path, matching: geometry, of: "the image")
            _ = try? Volume(path: path)
            guard grid.voxelsPerVolume <= 1 << 20 else { return }
            try MaskedSeries.requireSeries(grid, path: path)
            _ = try Volume(meanOf: [0], in: path)
            _ = try? Mask.simple(b0: Volume(meanOf: [0], in: path))
            _ = try MaskedSeries(
                path: path,
                mask: Mask(
                    geometry: grid,
                    indices: [0, grid.voxelsPerVolume - 1].sorted().reduce(into: []) {
                        if $0.last != $1 { $0.append($1) }
                    }))
        }
        return [
            FuzzedParser(name: "nifti", weight: 16, seeds: seeds, mutate: damage, parse: read),
            FuzzedParser(
                name: "nifti.gz", weight: 8, seeds: seeds,
                mutate: { m, seed in
                    let packed = gzip(damage(&m, seed))
                    return m.chance(0.5) ? packed : m.binary(packed, fields: [])
                }, parse: read),
            FuzzedParser(
                name: "image.mif", weight: 10, seeds: mrtrix(),
                mutate: { m, seed in
                    m.chance(0.7) ? m.text(seed) : m.binary(seed, fields: [])
                }, parse: read),
        ]
    }

    /// Small MRtrix3 images: volumes interleaved with a gradient table, and bits.
    private static func mrtrix() -> [[UInt8]] {
        let transform = "transform: 1,0,0,-3\ntransform: 0,1,0,4\ntransform: 0,0,1,0\n"
        let series =
            "mrtrix image\ndim: 4,3,2,5\nvox: 2,2,2,1\nlayout: -1,+2,+3,+0\ndatatype: Int16LE\n" + transform
            + "dw_scheme: 0,0,0,0\ndw_scheme: 0.6,0.8,0,1000\nscaling: 0,2\nfile: . 256\nEND\n"
        let bits =
            "mrtrix image\ndim: 4,3,2\nvox: 2,2,2\nlayout: +0,+1,+2\ndatatype: Bit\n" + transform + "file: . 192\nEND\n"
        func padded(_ text: String, to offset: Int, _ data: Int) -> [UInt8] {
            Array(text.utf8) + [UInt8](repeating: 0, count: offset - text.utf8.count)
                + (0..<data).map { UInt8(truncatingIfNeeded: $0 &* 37) }
        }
        return [padded(series, to: 256, 240), padded(bits, to: 192, 3)]
    }

    /// A small NIfTI-2 image: 3 × 2 × 2 of int16.
    private static func nifti2() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 544 + 24)
        func put<T>(_ value: T, _ offset: Int) {
            withUnsafeBytes(of: value) { for (k, byte) in $0.enumerated() { bytes[offset + k] = byte } }
        }
        put(Int32(540), 0)
        for (k, byte) in Array("n+2\0\r\n\u{1a}\n".utf8).enumerated() { bytes[4 + k] = byte }
        put(Int16(4), 12); put(Int16(16), 14)
        for (k, n) in [3, 3, 2, 2, 1, 1, 1, 1].enumerated() { put(Int64(n), 16 + 8 * k) }
        for k in 0..<8 { put(2.0, 104 + 8 * k) }
        put(Int64(544), 168); put(1.0, 176)
        put(Int32(1), 348)
        for k in 0..<3 { put(2.0, 400 + 40 * k) }
        return bytes
    }

    private static func gzip(_ bytes: [UInt8]) -> [UInt8] {
        var stream = z_stream(), out = [UInt8](repeating: 0, count: bytes.count + bytes.count / 100 + 128),
            source = bytes
        deflateInit2_(
            &stream, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        let count = source.withUnsafeMutableBufferPointer { source in
            out.withUnsafeMutableBufferPointer { out in
                (stream.next_in, stream.avail_in, stream.next_out, stream.avail_out) = (
                    source.baseAddress, UInt32(source.count), out.baseAddress, UInt32(out.count)
                )
                deflate(&stream, Z_FINISH)
                return out.count - Int(stream.avail_out)
            }
        }
        deflateEnd(&stream)
        return Array(out[..<count])
    }

    // MARK: gradient tables

    static func tables(_ folder: String) throws -> [FuzzedParser] {
        let directions = DirectionSets.fibonacci(12),
            b = [0.0] + Array(repeating: 1000.0, count: 6) + Array(repeating: 2000.0, count: 6)
        let text = GradientTable(bValues: b, vectors: [.zero] + directions, frame: .fsl).fslText
        let mrtrix = zip(b, [.zero] + directions).map { "\($1.x) \($1.y) \($1.z) \($0)\n" }.joined()
        let bvals = folder + "/sound.bval", bvecs = folder + "/sound.bvec"
        try Data(text.bvals.utf8).write(to: URL(fileURLWithPath: bvals))
        try Data(text.bvecs.utf8).write(to: URL(fileURLWithPath: bvecs))
        func use(_ table: GradientTable) {
            for conversion in [
                try! FrameConversion(affine3x3: [2, 0, 0, 0, 2, 0, 0, 0, 2]),
                try! FrameConversion(affine3x3: [-2, 0, 0, 0, 2, 0, 0, 0, 2]),
            ] {
                for lengths in [Acquisition.LengthRule.normalise, .scaleByLength] {
                    if let a = try? table.acquisition(conversion: conversion, volumes: nil, lengths: lengths) {
                        _ = ProtocolMixture().rangeViolations(of: a)
                    }
                }
            }
        }
        return [
            FuzzedParser(name: "bvals", weight: 10, seeds: [Array(text.bvals.utf8)], mutate: { $0.text($1) }) {
                use(try GradientTable.readFSL(bvals: $0, bvecs: bvecs))
            },
            FuzzedParser(name: "bvecs", weight: 10, seeds: [Array(text.bvecs.utf8)], mutate: { $0.text($1) }) {
                use(try GradientTable.readFSL(bvals: bvals, bvecs: $0))
            },
            FuzzedParser(name: "mrtrix.b", weight: 10, seeds: [Array(mrtrix.utf8)], mutate: { $0.text($1) }) {
                use(try GradientTable.readMRtrix($0))
            },
        ]
    }
}
