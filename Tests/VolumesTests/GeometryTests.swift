import Foundation
import Testing

@testable import Volumes

@Suite struct GeometryTests {
    let scratch = Scratch()

    static let affines: [String: Affine] = [
        "aligned, left-handed": Affine(rows: [-2, 0, 0, 107.5, 0, 2, 0, -85, 0, 0, 2.5, -52]),
        "aligned, right-handed": Affine(rows: [2, 0, 0, -60, 0, 2, 0, -85, 0, 0, 2.5, -52]),
        "oblique, left-handed": Affine(rows: [
            -1.6, 0.028, 0.03, 103.5, 0.025, 1.5901, -0.1895, -84.25, 0.0336, 0.1891, 1.5885, -81.5,
        ]),
        "oblique, right-handed": Affine(rows: [0, -2, 0, 20, 1.94, 0, 0.487, -25.2, -0.487, 0, 1.94, 12.3]),
    ]

    @Test func derivedQuantities() {
        let a = Self.affines["oblique, right-handed"]!
        #expect(abs(a.determinant - 2 * (1.94 * 1.94 + 0.487 * 0.487)) < 1e-9)
        let r = a.rotation
        for c in 0..<3 { #expect(abs((0..<3).map { r[3 * $0 + c] * r[3 * $0 + c] }.reduce(0, +) - 1) < 1e-12) }
        #expect(r[1] == -1 && abs(r[3] - 1.94 / (1.94 * 1.94 + 0.487 * 0.487).squareRoot()) < 1e-12)
        #expect(a(SIMD3(1, 2, 3)) == SIMD3(16, 1.94 + 3 * 0.487 - 25.2, -0.487 + 3 * 1.94 + 12.3))
        #expect(a.orientationLabel == "ALS" && Affine.identity.orientationLabel == "RAS")
        #expect(Self.affines["aligned, left-handed"]!.orientationLabel == "LAS")
        #expect(
            "\(Affine(rows: [-2, 0, 0, 107.70123, 0, 1.9731, -0.3267, 0, 0, 0.3267, 1.9731, 5]))"
                == "[-2 0 0 107.701; 0 1.973 -0.327 0; 0 0.327 1.973 5]")
    }

    @Test(arguments: affines.keys.sorted()) func everyOrientationSurvivesWritingAndReading(name: String) throws {
        let affine = Self.affines[name]!
        for shape in [[5, 6, 7], [5, 6, 7, 3], [5, 6, 7, 2, 3], [40_000, 3, 1]] {
            let written = VolumeGeometry(shape: shape, affine: affine)
            let path = scratch.file("g.nii")
            try VolumeWriter.write(path, geometry: written, as: UInt8.self) { _, _ in }
            let read = try VolumeReader(path: path).geometry
            #expect(read.shape == shape && read.affineSource == .sform && read.sform?.code == 1)
            #expect(zip(read.affine.elements, affine.elements).allSatisfy { abs($0 - $1) < 1e-5 })
            #expect(read.isRightHanded == name.hasSuffix("right-handed"))
            if name != "oblique, left-handed" { #expect(read.qform?.code == 1) }
            // A second round changes nothing at all.
            let again = scratch.file("again.nii")
            try VolumeWriter.write(again, geometry: read, as: UInt8.self) { _, _ in }
            #expect(bytes(of: again) == bytes(of: path))
            #expect(try VolumeReader(path: again).geometry == read)
        }
    }

    /// A quaternion alone gives the affine that the same rotation as sform gives.
    @Test(arguments: ["aligned, left-handed", "aligned, right-handed", "oblique, right-handed"]) func qformAlone(
        name: String
    ) throws {
        let affine = Self.affines[name]!
        let q = VolumeGeometry.QForm(code: 1, matrix: affine)
        var f = Fixture(version: 2, qformCode: 1, sformCode: 0)
        f.pixdim = [q.handedness] + (0..<3).map(affine.columnNorm) + [.nan, 0, 0, 0]
        f.quaternion = [q.quaternion.x, q.quaternion.y, q.quaternion.z, q.offset.x, q.offset.y, q.offset.z]
        f.setData((0..<12).map { Int16($0) })
        let g = try Volume(path: scratch.file("q.nii", f.file)).geometry
        #expect(g.affineSource == .qform && g.sform == nil && g.qform?.code == 1)
        #expect(zip(g.affine.elements, affine.elements).allSatisfy { abs($0 - $1) < 1e-9 })
    }

    @Test func codesAndValuesAreKept() throws {
        var f = Fixture(qformCode: 3, sformCode: 4)
        f.pixdim = [-1, 2, 2, 2, .nan, .nan, 0, 0]
        f.quaternion = [0, 1, 0, 5, 6, 7]
        f.setData((0..<12).map { Int16($0) })
        let read = try Volume(path: scratch.file("codes.nii", f.file))
        #expect(
            read.geometry.qform?.code == 3 && read.geometry.sform?.code == 4 && read.geometry.qform?.handedness == -1)
        let copy = scratch.file("copy.nii.gz")
        try read.write(to: copy, description: "kept")
        let back = try Volume(path: copy)
        #expect(back.geometry == read.geometry && back.values == read.values)

        // Neither code set stays so: every tool then reads map and source alike.
        f.qformCode = 0
        f.sformCode = 0
        let bare = try Volume(path: scratch.file("bare.nii", f.file))
        #expect(bare.geometry.affineSource == .voxelSizes && !bare.geometry.isRightHanded)
        try bare.write(to: copy)
        #expect(try Volume(path: copy).geometry == bare.geometry)
    }

    /// Codes that NIfTI does not know are read as set and written as 2; below 1 they are not set.
    @Test(arguments: [1, 2], [1, 5, 6, 99, 32_767, 0, -1]) func formCodes(version: Int, code: Int) throws {
        var f = Fixture(version: version, qformCode: code, sformCode: code)
        f.pixdim[0] = -1
        f.quaternion = [0, 1, 0, 5, 6, 7]
        f.setData((0..<12).map { Int16($0) })
        let read = try Volume(path: scratch.file("c.nii", f.file)), expected = code < 1 ? nil : code > 5 ? 2 : code
        #expect(
            read.geometry.sform?.code == expected && read.geometry.qform?.code == expected
                && read.geometry.isPlaced == (code > 0))
        let copy = scratch.file("copy.nii")
        try read.write(to: copy)
        let written = bytes(of: copy)
        #expect(Array(written[252..<256]) == [UInt8(expected ?? 0), 0, UInt8(expected ?? 0), 0])
        #expect(try Volume(path: copy).geometry == read.geometry)
    }

    /// NIfTI-2 has room for codes that NIfTI-1 has not.
    @Test func wideFormCode() throws {
        var f = Fixture(version: 2, qformCode: 70_000, sformCode: 1 << 30)
        f.setData((0..<12).map { Int16($0) })
        let read = try Volume(path: scratch.file("w.nii", f.file))
        try read.write(to: scratch.file("copy.nii"))
        #expect(try VolumeReader(path: scratch.path + "/copy.nii").geometry.sform?.code == 2)
    }

    /// b² + c² + d² above 1 by the rounding of its digits, as quaternions of half turns are.
    @Test(arguments: [1, 2], [1.000001, 1.0005, 1.005]) func longQuaternion(version: Int, length: Double) throws {
        var f = Fixture(version: version, qformCode: 1, sformCode: 0)
        f.quaternion = [0, 0.8 * length, 0.6 * length, 5, 6, 7]
        f.setData((0..<12).map { Int16($0) })
        let read = try Volume(path: scratch.file("q.nii", f.file)).geometry
        // The half turn about n = (0, 0.8, 0.6) by its formula, 2·n·nᵀ − 1, times 2 mm.
        let turn: [Double] = [-2, 0, 0, 5, 0, 0.56, 1.92, 6, 0, 1.92, -0.56, 7]
        #expect(read.affineSource == .qform && zip(read.affine.elements, turn).allSatisfy { abs($0 - $1) < 1e-5 })
        for shape in [[2, 3, 2], [40_000, 1, 1]] {
            let copy = scratch.file("copy.nii"), isWide = shape[0] > 32_767
            let geometry = VolumeGeometry(
                shape: shape, voxelSizes: read.voxelSizes, affine: read.affine, affineSource: read.affineSource,
                sform: read.sform, qform: read.qform)
            try VolumeWriter.write(copy, geometry: geometry, as: UInt8.self) { _, _ in }
            let header = bytes(of: copy), back = try VolumeReader(path: copy).geometry
            let squares: [Double] = header.withUnsafeBytes { raw in
                (0..<3).map { (k: Int) -> Double in
                    if isWide { let x = raw.loadUnaligned(fromByteOffset: 352 + 8 * k, as: Double.self); return x * x }
                    let x = Double(raw.loadUnaligned(fromByteOffset: 256 + 4 * k, as: Float.self))
                    return x * x
                }
            }
            // nibabel's own limits.
            let excess: Double = isWide ? Double.ulpOfOne : Double(Float.ulpOfOne), sum: Double = squares.reduce(0, +)
            #expect(sum <= 1 + 3 * excess)
            #expect(zip(back.affine.elements, turn).allSatisfy { abs($0 - $1) < 1e-5 })
        }
    }

    @Test func badOrientationsAreRefused() throws {
        func error(_ change: (inout Fixture) -> Void) -> VolumeError? {
            var f = Fixture()
            f.setData((0..<12).map { Int16($0) })
            change(&f)
            let path = scratch.file("bad.nii", f.file)
            let error = volumeError { _ = try Volume(path: path) }
            if let error, case .badAffine = error { #expect(error.kind == .badData && "\(error)".contains(path)) }
            return error
        }
        let path = scratch.path + "/bad.nii"
        #expect(
            error { $0.sform[3] = .nan }
                == .badAffine(path: path, reason: "an element of the affine is not a finite number"))
        #expect(error { $0.sform[0] = 0 } == .badAffine(path: path, reason: "the affine is singular"))
        #expect(
            error { $0.sform = Array(repeating: 0, count: 12) }
                == .badAffine(path: path, reason: "the affine is singular"))
        #expect(
            error {
                $0.sform[0...2] = [0, 2, 0]; $0.sform[4...6] = [0, 2, 0]
            } == .badAffine(path: path, reason: "the affine is singular"))
        #expect(
            error {
                $0.sformCode = 0; $0.qformCode = 1; $0.quaternion[1] = .nan
            }
                == .badAffine(path: path, reason: "its quaternion holds a number that is not finite"))
        #expect(
            error {
                $0.sformCode = 0; $0.qformCode = 1; $0.quaternion[1] = 1.5
            } == .badAffine(path: path, reason: "its quaternion has length 1.5, not 1"))
        #expect(
            error {
                $0.qformCode = 1; $0.quaternion[1] = 1.5
            } == nil)
        #expect(
            error {
                $0.sform = Array(repeating: 0, count: 12); $0.qformCode = 1
            }.map { "\($0)".contains("fslorient -copyqform2sform") } == true)
        #expect(
            error {
                $0.sformCode = 0; $0.pixdim[2] = 0
            } == .badAffine(path: path, reason: "a voxel size is 0.0"))
        #expect(
            error {
                $0.sformCode = 0; $0.qformCode = 1; $0.pixdim[3] = .nan
            } == .badAffine(path: path, reason: "a voxel size is nan"))
        #expect(error { $0.pixdim = [1, .nan, 0, -2, .nan, .nan, .nan, .nan] } == nil)
        #expect(
            error {
                $0.qformCode = 1; $0.quaternion[1] = .nan
            } == nil)
    }

    @Test func grids() {
        let a = VolumeGeometry(shape: [10, 10, 10], affine: Self.affines["aligned, left-handed"]!)
        var moved = a.affine
        moved[0, 3] += 0.19
        #expect(a.sharesGrid(with: VolumeGeometry(shape: [10, 10, 10, 5], affine: moved)))
        moved[0, 3] += 0.02
        let b = VolumeGeometry(shape: [10, 10, 10], affine: moved)
        #expect(!a.sharesGrid(with: b) && abs(a.displacement(to: moved) - 0.21) < 1e-9)
        #expect(a.sharesGrid(with: b, tolerance: 0.2))
        #expect(!a.sharesGrid(with: VolumeGeometry(shape: [10, 10, 9], affine: a.affine)))
        #expect(
            !a.sharesGrid(with: VolumeGeometry(shape: [10, 10, 10], affine: Self.affines["aligned, right-handed"]!)))
        #expect(a.withTrailing([2, 3]).shape == [10, 10, 10, 2, 3] && a.withTrailing([2, 3]).withTrailing([]) == a)
    }
}
