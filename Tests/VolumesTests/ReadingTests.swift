import Foundation
import Testing
import Volumes

@Suite struct ReadingTests {
    let scratch = Scratch()

    enum Container: String, CaseIterable { case nii, niiGz, pair, pairGz }

    func store(_ f: Fixture, _ container: Container, _ name: String) -> String {
        switch container {
        case .nii: return scratch.file(name + ".nii", f.file)
        case .niiGz: return scratch.file(name + ".nii.gz", gzipStored(f.file))
        case .pair:
            _ = scratch.file(name + ".img", f.data)
            return scratch.file(name + ".hdr", f.header)
        case .pairGz:
            _ = scratch.file(name + ".img.gz", gzipStored(f.data))
            return scratch.file(name + ".hdr", f.header)
        }
    }

    /// Twelve values near both ends of a type's range.
    func set(_ f: inout Fixture, _ type: Datatype) -> [Double] {
        func integers<T: FixedWidthInteger>(_: T.Type) -> [Double] {
            var values: [T] = (0..<10).map { (i: Int) -> T in T(truncatingIfNeeded: i % 2 == 0 ? i : i - 6) }
            values += [T.max, T.min]
            f.setData(values)
            return values.map { Double($0) }
        }
        f.datatype = type.rawValue
        switch type {
        case .uint8: return integers(UInt8.self)
        case .int8: return integers(Int8.self)
        case .uint16: return integers(UInt16.self)
        case .int16: return integers(Int16.self)
        case .uint32: return integers(UInt32.self)
        case .int32: return integers(Int32.self)
        case .uint64: return integers(UInt64.self)
        case .int64: return integers(Int64.self)
        case .float32:
            let values: [Float] = [0, -1.5, .nan, .infinity, -.infinity, 1e-38, 3e38, 0.1, -0, 7, 8, 9]
            f.setData(values)
            return values.map { Double($0) }
        case .float64:
            let values: [Double] = [0, -1.5, .nan, .infinity, -.infinity, 1e-300, 1e300, 0.1, -0, 7, 8, 9]
            f.setData(values)
            return values
        }
    }

    func same(_ a: Float, _ b: Float) -> Bool { a == b || (a.isNaN && b.isNaN) }

    @Test(arguments: Datatype.allCases, Container.allCases)
    func everyTypeInEveryContainer(type: Datatype, container: Container) throws {
        for version in [1, 2] {
            for isBigEndian in [false, true] {
                for (slope, intercept) in [(0.0, 0.0), (1, 0), (0.25, -3), (.nan, 5), (.infinity, 0), (2, .nan)] {
                    var f = Fixture(
                        version: version, isBigEndian: isBigEndian, isSingle: container == .nii || container == .niiGz)
                    (f.slope, f.intercept) = (slope, intercept)
                    let stored = set(&f, type)
                    let path = store(f, container, "image")
                    let volume = try Volume(path: path)
                    let isScaled = slope.isFinite && slope != 0
                    #expect(volume.geometry.shape == [2, 3, 2])
                    for (x, y) in zip(stored, volume.values) {
                        let expected = isScaled ? Float(slope * x + (intercept.isFinite ? intercept : 0)) : Float(x)
                        #expect(same(y, expected), "\(type) v\(version) big \(isBigEndian) slope \(slope): \(x) → \(y)")
                    }
                }
            }
        }
    }

    @Test func imageNamedInsteadOfHeader() throws {
        var f = Fixture(isSingle: false)
        f.setData((0..<12).map { Int16($0) })
        _ = store(f, .pair, "a")
        #expect(try Volume(path: scratch.path + "/a.img").values == (0..<12).map { Float($0) })
        _ = store(f, .pairGz, "b")
        #expect(try Volume(path: scratch.path + "/b.img.gz").values == (0..<12).map { Float($0) })
        _ = scratch.file("c.img.gz", gzipStored(f.data))
        let header = scratch.file("c.hdr.gz", gzipStored(f.header))
        #expect(try Volume(path: header).values == (0..<12).map { Float($0) })
        #expect(try Volume(path: scratch.path + "/c.img.gz").values == (0..<12).map { Float($0) })
    }

    @Test func extensionsAndOffsets() throws {
        var f = Fixture()
        f.setData((0..<12).map { Int16($0) })
        f.offset = 352 + 32
        let extended = f.header + [1, 0, 0, 0] + [UInt8](repeating: 7, count: 32) + f.data
        #expect(try Volume(path: scratch.file("x.nii", extended)).values[11] == 11)
        #expect(try Volume(path: scratch.file("x.nii.gz", gzipStored(extended))).values[11] == 11)
        f.offset = 0
        #expect(try Volume(path: scratch.file("zero.nii", f.file)).values[11] == 11)
    }

    @Test func gzipMembersAndPadding() throws {
        var f = Fixture()
        f.setData((0..<12).map { Int16($0) })
        let (a, b) = (Array(f.file[..<360]), Array(f.file[360...]))
        let path = scratch.file("members.nii.gz", gzipStored(a) + gzipStored(b) + [UInt8](repeating: 0, count: 300))
        #expect(try Volume(path: path).values == (0..<12).map { Float($0) })
        let padded = scratch.file("padded.nii", f.file + [UInt8](repeating: 0, count: 512))
        #expect(try Volume(path: padded).values[11] == 11)
        let misnamed = scratch.file("plain.nii.gz", f.file)
        #expect(try Volume(path: misnamed).values[11] == 11)
    }

    @Test func singleVolumeOfFourDimensionsCountsAsThree() throws {
        for dim in [[2, 3, 2, 1], [2, 3, 2, 1, 1]] {
            var f = Fixture(dim: dim)
            f.setData((0..<12).map { Int16($0) })
            let volume = try Volume(path: scratch.file("one.nii", f.file))
            #expect(volume.geometry.shape == [2, 3, 2] && volume.values.count == 12)
        }
        var flat = Fixture(dim: [4, 3])
        flat.setData((0..<12).map { Int16($0) })
        #expect(try Volume(path: scratch.file("flat.nii", flat.file)).geometry.shape == [4, 3, 1])
    }

    @Test func volumesOneByOne() throws {
        var f = Fixture(dim: [2, 3, 2, 3])
        f.setData((0..<36).map { Int16($0) })
        for path in [scratch.file("s.nii", f.file), scratch.file("s.nii.gz", gzipStored(f.file))] {
            let reader = try VolumeReader(path: path)
            var buffer = [Float](repeating: -1, count: 12)
            try reader.skip()
            try buffer.withUnsafeMutableBufferPointer { try reader.read(into: $0) }
            #expect(buffer == (12..<24).map { Float($0) })
            var few = [Float](repeating: -1, count: 2)
            try few.withUnsafeMutableBufferPointer { out in
                try [3, 11].withUnsafeBufferPointer { try reader.gather($0, into: out) }
            }
            #expect(few == [27, 35] && reader.nextVolume == 3)
            try reader.finish()
            #expect(try Volume(meanOf: [0, 2], in: path).values == (0..<12).map { Float($0 + 12) })
            #expect(
                volumeError { _ = try Volume(meanOf: [3], in: path) }
                    == .volumeOutOfRange(path: path, volume: 3, count: 3))
        }
    }

    /// The mean leaves NaN and infinities out.
    @Test func meanOfNonFinite() throws {
        var f = Fixture(datatype: 16, dim: [2, 1, 1, 2])
        f.setData([Float.nan, .infinity, 4, .nan])
        #expect(try Volume(meanOf: [0, 1], in: scratch.file("n.nii", f.file)).values == [4, 0])
    }

    // The three files below were made with nibabel 5.4.2 (numpy 2), header.write_to plus raw data, then gzip -9n and
    // base64.

    /// int16, 2×3×2×3, values 0…35 with slope 0.5 and intercept −3; sform code 2 and qform code 1 of an oblique
    /// left-handed affine.
    static let nibabelOblique = """
        H4sIAAAAAAACA4thZCAKsDAwMTCDMSMYossKgOmG/X73ztg/+H3GPnbPGXsgHw1vcAYqAtIOBxgGAWAE+ueRK+uew+31+y29i/YaG593SktbcSjt2aJDZ8+c2d/V98RG+fZP\
        G5B4bO5RG/nW0/bmnY77QGrUF3DaAtl205xP24PUo5udp22IZAszMIRYGdgY2Bk4GDgZuBi4GXgYeBn4GPiB4SbIIMQgzCDCIMogxiDOIMEgySDFIM0gwyDLIMcgz6DAoMig\
        xKDMAADPRlu7qAEAAA==
        """
    /// NIfTI-2, big-endian float64, 2×2×3, linspace(−1, 1, 12), qform only, right-handed.
    static let nibabelBigEndian = """
        H4sIAAAAAAACA2NgYJLJ0zZi4OWS4mJwAEIIYIbSTGg0TJyRAI0B7D9AaKAFKafk7L1hFsH49T9Q1aHTUGcowNTB6EEMwGGxf5tJasyvF9fsIfQB+2cl93fOldrhYAJRdMDS\
        GAwcNGaCwKzB5on90PDf/0qve9GLXXr7n8SKu14sid1/F0xJ7AcSINb+7SCuuIM9jIaK20PV2UP0xdlDzDGAxSsA/FwQu4ACAAA=
        """
    /// uint8, 3×2×2, neither sform nor qform.
    static let nibabelNoCodes = """
        H4sIAAAAAAACA4thZCAKMAMhExAyQiEqYGLgANMN9kDCgYFBAYgdHCB8ZLzBmYHhQD0ED2+Qp20IYTAyMbOwsrFzcHJxAwBko5X0bAEAAA==
        """

    func golden(_ text: String, _ name: String) -> String { scratch.file(name, [UInt8](Data(base64Encoded: text)!)) }

    @Test func nibabelFiles() throws {
        let oblique = golden(Self.nibabelOblique, "oblique.nii.gz")
        let reader = try VolumeReader(path: oblique)
        let g = reader.geometry
        #expect(
            g.shape == [2, 3, 2, 3] && g.affineSource == .sform && g.sform?.code == 2 && g.qform?.code == 1
                && !g.isRightHanded)
        #expect(reader.datatype == .int16)
        let s = [-1.6, 0.0279, 0.0305, 103.6, 0.0241, 1.59, -0.189, -84.2, 0.0336, 0.189, 1.588, -81.45]
        #expect(zip(s, g.affine.elements).allSatisfy { abs($0 - $1) < 1e-5 })
        var values = [Float](repeating: 0, count: 12)
        for t in 0..<3 {
            try values.withUnsafeMutableBufferPointer { try reader.read(into: $0) }
            #expect(values == (0..<12).map { Float($0 + 12 * t) * 0.5 - 3 })
        }

        let big = try Volume(path: golden(Self.nibabelBigEndian, "big.nii.gz"))
        #expect(zip(big.values, 0..<12).allSatisfy { abs($0 - (Float($1) * 2 / 11 - 1)) < 1e-6 })
        let q = [0, -2, 0, 20, 1.94, 0, 0.487, -25.2, -0.487, 0, 1.94, 12.3]
        #expect(big.geometry.affineSource == .qform && big.geometry.isRightHanded && big.geometry.sform == nil)
        #expect(zip(q, big.geometry.affine.elements).allSatisfy { abs($0 - $1) < 1e-12 })

        let none = try Volume(path: golden(Self.nibabelNoCodes, "none.nii.gz"))
        #expect(none.geometry.affineSource == .voxelSizes && none.values == (0..<12).map { Float($0) })
        #expect(none.geometry.affine == Affine(rows: [-2, 0, 0, 2, 0, 2.5, 0, -1.25, 0, 0, 3, -1.5]))
    }
}
