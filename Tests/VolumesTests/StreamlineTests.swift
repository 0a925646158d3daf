import Foundation
import Testing
import Volumes

struct StreamlineTests {
    private let scratch = Scratch()

    private func file(_ header: String, _ numbers: [Float], _ name: String = "x.tck") -> String {
        var data = Data(header.utf8)
        while data.count < 200 { data.append(0) }
        for x in numbers { withUnsafeBytes(of: x.bitPattern.littleEndian) { data.append(contentsOf: $0) } }
        let path = scratch.file(name)
        try! data.write(to: URL(fileURLWithPath: path))
        return path
    }
    private let head = "mrtrix tracks\ncount: 2\ndatatype: Float32LE\nfile: . 200\nEND\n"
    private let nan = [Float](repeating: .nan, count: 3), end = [Float](repeating: .infinity, count: 3)

    @Test func streamlinesComeBack() throws {
        let tracks = try Streamlines(path: file(head, [1, 2, 3, 4, 5, 6] + nan + nan + [7, 8, 9] + nan + end))
        #expect(tracks.count == 2 && Array(tracks[0]) == [SIMD3(1, 2, 3), SIMD3(4, 5, 6)])
        #expect(Array(tracks[1]) == [SIMD3(7, 8, 9)])
        #expect(try Streamlines(path: file(head, end)).count == 0)
    }

    @Test func whatIsNoTrackFileIsRefused() {
        for (header, numbers) in [
            ("mrtrix image\nEND\n", end), (head, [1, 2, 3] + nan), (head, [1, .nan, 3] + nan + end),
            (head.replacingOccurrences(of: "Float32LE", with: "Int8"), end),
            (head.replacingOccurrences(of: "200", with: "2"), end),
            (head.replacingOccurrences(of: "200", with: "-9"), end),
            (head.replacingOccurrences(of: "200", with: "99999999999999999999"), end),
            (head.replacingOccurrences(of: "file: . 200\n", with: ""), end),
            (head.replacingOccurrences(of: "file: .", with: "file: elsewhere"), end), ("mrtrix tracks\n", end),
        ] { #expect(throws: StreamlineError.self) { try Streamlines(path: file(header, numbers)) } }
        #expect(throws: StreamlineError.missing(path: "/nowhere.tck")) { try Streamlines(path: "/nowhere.tck") }
    }

    @Test func inverseAffine() {
        let a = Affine(rows: [-1.9, 0.3, 0.1, 40, 0.2, 2.1, -0.4, -50, 0.1, 0.3, 2.4, 7])
        let p = SIMD3(3.0, -2, 11), back = a.inverse(a(p)) - p
        #expect((back * back).sum() < 1e-20)
    }
}
