import Foundation
import Testing
import Volumes

/// MRtrix3's images: any order of axes, the affine that goes with it, bits, the gradient table, and damage.
@Suite struct MRtrixTests {
    let scratch = Scratch()

    /// Voxel (i, j, k, t) of the test's image.
    private func value(_ p: [Int]) -> Int { p[0] + 10 * p[1] + 100 * p[2] + 1000 * p[3] }
    private let sizes = [3, 4, 2, 5]

    private func header(
        layout: String, datatype: String = "Int16LE", extra: String = "", offset: Int = 512, file: String = "."
    ) -> [UInt8] {
        let text = """
            mrtrix image
            dim: 3,4,2,5
            vox: 2,2.5,3,nan
            layout: \(layout)
            datatype: \(datatype)
            transform: 0.8,-0.6,0,-10
            transform: 0.6,0.8,0,20
            transform: 0,0,1,-30
            \(extra)file: \(file) \(offset)
            END

            """
        return Array(text.utf8) + [UInt8](repeating: 0, count: max(0, offset - text.utf8.count))
    }

    /// The values in the file's order: ranks by axis, 0 the fastest.
    private func data(ranks: [Int], reversed: [Bool]) -> [Int16] {
        let order = (0..<4).sorted { ranks[$0] < ranks[$1] }
        var list: [Int16] = [], place = [0, 0, 0, 0]
        for _ in 0..<120 {
            let p = (0..<4).map { reversed[$0] ? sizes[$0] - 1 - place[$0] : place[$0] }
            list.append(Int16(value(p)))
            for a in order {
                place[a] += 1
                if place[a] < sizes[a] { break }
                place[a] = 0
            }
        }
        return list
    }

    /// Every voxel is found at its own place in the scanner, in whatever order it was stored.
    @Test(
        arguments: [
            "+0,+1,+2,+3", "-0,+1,-2,+3", "+1,-0,+2,+3", "+1,+2,+3,+0", "-3,+1,-2,+0", "+2,+0,+3,-1", "+0,+1,+3,+2",
        ], [false, true])
    func anyOrderOfAxes(layout: String, isCompressed: Bool) throws {
        let words = layout.split(separator: ","), ranks = words.map { Int($0.dropFirst())! },
            reversed = words.map { $0.hasPrefix("-") }
        let bytes =
            header(layout: layout)
            + data(ranks: ranks, reversed: reversed).flatMap { withUnsafeBytes(of: $0.littleEndian) { Array($0) } }
        let path = isCompressed ? scratch.file("a.mif.gz", gzipStored(bytes)) : scratch.file("a.mif", bytes)
        let reader = try VolumeReader(path: path), g = reader.geometry
        #expect(g.shape[3] == 5 && g.voxelsPerVolume == 24 && g.isPlaced)
        let scanner = Affine(rows: [1.6, -1.5, 0, -10, 1.2, 2, 0, 20, 0, 0, 3, -30])
        var grid = [Float](repeating: 0, count: 24)
        for t in 0..<5 {
            if t == 2 { try reader.skip(); continue }
            try grid.withUnsafeMutableBufferPointer { try reader.read(into: $0) }
            for i in 0..<3 {
                for j in 0..<4 {
                    for k in 0..<2 {
                        let x = scanner(SIMD3(Double(i), Double(j), Double(k)))
                        let found = (0..<24).filter { v in
                            let d =
                                g.affine(
                                    SIMD3(
                                        Double(v % g.shape[0]), Double(v / g.shape[0] % g.shape[1]),
                                        Double(v / (g.shape[0] * g.shape[1])))) - x
                            return (d * d).sum() < 1e-9
                        }
                        #expect(found.count == 1 && grid[found[0]] == Float(value([i, j, k, t])))
                    }
                }
            }
        }
        try reader.finish()
        let mask = Mask(geometry: g, indices: [1, 7, 20]), series = try MaskedSeries(path: path, mask: mask)
        #expect(series.values.count == 15 && series.values[1] - series.values[0] == 1000)
    }

    @Test func bitsScalesBytesAndTables() throws {
        let bits = (0..<120).map { $0 % 7 == 0 },
            packed = (0..<15).map { b in (0..<8).reduce(UInt8(0)) { $0 | (bits[8 * b + $1] ? 0x80 >> UInt8($1) : 0) } }
        let mask = try VolumeReader(
            path: scratch.file("m.mif", header(layout: "+0,+1,+2,+3", datatype: "Bit") + packed))
        var grid = [Float](repeating: 0, count: 24)
        try grid.withUnsafeMutableBufferPointer { try mask.read(into: $0) }
        #expect(grid == bits[0..<24].map { $0 ? 1 : 0 })

        let big = (0..<120).map { Float(bitPattern: Float($0).bitPattern.bigEndian) }.flatMap {
            withUnsafeBytes(of: $0) { Array($0) }
        }
        let extra = "scaling: 5,2\ndw_scheme: 0,0,0,0\ndw_scheme: 0.6,-0.8,0,1000\n"
        _ = scratch.file("b.dat", [1, 2, 3, 4] + big)
        let reader = try VolumeReader(
            path: scratch.file(
                "b.mih", header(layout: "+0,+1,+2,+3", datatype: "Float32BE", extra: extra, offset: 4, file: "b.dat")))
        try grid.withUnsafeMutableBufferPointer { try reader.read(into: $0) }
        #expect(grid[3] == 11 && reader.gradients == [[0, 0, 0, 0], [0.6, -0.8, 0, 1000]])
    }

    /// One sentence for each kind of damage, and no memory on the header's word.
    @Test func damageIsTold() throws {
        func error(_ name: String, _ bytes: [UInt8]) -> String {
            do { _ = try VolumeReader(path: scratch.file(name, bytes)); return "" } catch { return "\(error)" }
        }
        func edited(_ old: String, _ new: String) -> [UInt8] {
            Array(
                String(decoding: header(layout: "+0,+1,+2,+3"), as: UTF8.self).replacingOccurrences(of: old, with: new)
                    .utf8) + [UInt8](repeating: 0, count: 240)
        }
        #expect(error("a.mif", Array("nothing".utf8)).contains("does not begin with 'mrtrix image'"))
        #expect(error("b.mif", edited("END", "")).contains("no END"))
        #expect(error("c.mif", edited("3,4,2,5", "3,4,2,50")).contains("cut short"))
        #expect(error("d.mif", edited("3,4,2,5", "3,-4,2,5")).contains("not all above 0"))
        #expect(error("e.mif", edited("3,4,2,5", "900000000,900000000,2,5")).contains("beyond any file"))
        #expect(error("f.mif", edited("+0,+1,+2,+3", "+0,+1,+1,+3")).contains("no order of the axes"))
        #expect(error("g.mif", edited("Int16LE", "CFloat32LE")).contains("CFloat32LE"))
        #expect(error("h.mif", edited("0.6,0.8,0,20", "0.8,-0.6,0,20")).contains("does not say where its voxels are"))
        #expect(error("i.mif", edited("vox: 2,2.5", "vox: 2,0")).contains("voxel sizes"))
        #expect(error("j.mif", edited("file: . 512", "file: nowhere.dat 0")).contains("nowhere.dat does not exist"))
        #expect(error("k.mif.gz", gzipStored(edited("3,4,2,5", "3000,4000,2,5"))).contains("cut short"))
    }

    /// What `mrconvert` makes of a NIfTI image, and the NIfTI image that it makes of that: the same voxels at the same
    /// places.
    @Test(
        .enabled(if: mrconvert != nil, "needs MRtrix3's mrconvert"),
        arguments: ["0,0,0,0", "0,0,0,1", "-1,3,-2,4", "3,-1,2,4"])
    func asMrconvertHasIt(strides: String) throws {
        let geometry = VolumeGeometry(
            shape: [5, 4, 3, 6], affine: Affine(rows: [-2, 0.1, 0, 30, 0.1, 2, 0.4, -30, 0, -0.4, 2.5, -10]))
        let nifti = scratch.file("a.nii"), mif = scratch.file("a.mif.gz"), back = scratch.file("b.nii")
        try VolumeWriter.write(nifti, geometry: geometry, as: Float.self) { t, grid in
            for v in grid.indices { grid[v] = Float(v * 7 + t * 1001) }
        }
        for arguments in [[nifti, mif, "-strides", strides], [mif, back]] {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: Self.mrconvert!)
            process.arguments = ["-quiet"] + arguments
            try process.run()
            process.waitUntilExit()
            #expect(process.terminationStatus == 0)
        }
        let (a, b) = (try VolumeReader(path: mif), try VolumeReader(path: back))
        #expect(a.geometry.shape == b.geometry.shape && a.geometry.displacement(to: b.geometry.affine) < 1e-4)
        var (x, y) = ([Float](repeating: 0, count: 60), [Float](repeating: 1, count: 60))
        for _ in 0..<6 {
            try x.withUnsafeMutableBufferPointer { try a.read(into: $0) }
            try y.withUnsafeMutableBufferPointer { try b.read(into: $0) }
            #expect(x == y)
        }
    }

    private static let mrconvert = ["/usr/bin/mrconvert", "/usr/local/bin/mrconvert", "/opt/mrtrix3/bin/mrconvert"]
        .first(where: FileManager.default.isExecutableFile)
}
