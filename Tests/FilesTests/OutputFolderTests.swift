import Foundation
import Testing
@testable import Files

/// Folders that are written: what may be touched, and what is left when a run ends at any point.
@Suite struct OutputFolderTests {
    private let base = FileManager.default.temporaryDirectory.appendingPathComponent("prism-dmri-\(UUID().uuidString)")
        .path
    private let program = Program("prism-dmri")
    private var out: String { base + "/out" }

    init() throws { try FileManager.default.createDirectory(atPath: base, withIntermediateDirectories: true) }

    private func put(_ text: String, _ path: String) throws {
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    }

    private func text(_ name: String) -> String? {
        FileManager.default.contents(atPath: out + "/" + name).map { String(decoding: $0, as: UTF8.self) }
    }
    private func names() -> [String] { filesBelow(out).filter { !$0.hasPrefix(".prism") } }

    /// A whole run.
    private func write(
        _ files: [String: String], kind: OutputMarker.Kind = .fit, mode: OutputFolder.Mode = .fresh,
        inputs: [String] = []
    ) throws {
        let folder = try OutputFolder(out, by: program, kind: kind, mode: mode, canResume: true, inputs: inputs)
        try folder.begin()
        for (name, content) in files { try put(content, folder.staging + "/" + name) }
        try folder.finish()
    }

    @Test func ownFilesAreReplacedAndOthersStay() throws {
        defer { try? FileManager.default.removeItem(atPath: base) }
        try write(["fit.json": "1", "dwi/a": "1", "mrtrix/p": "1", "mrtrix/fixels/i": "1"])
        try put("mine", out + "/mrtrix/wm.mif")
        try put("mine", out + "/notes")
        try write(["fit.json": "2", "dwi/b": "2", "mrtrix/p": "22"], mode: .force)
        #expect(names() == ["dwi/b", "fit.json", "mrtrix/p", "mrtrix/wm.mif", "notes"])
        #expect(text("mrtrix/p") == "22" && text("mrtrix/wm.mif") == "mine")
    }

    @Test func nothingOfOthersIsTouched() throws {
        defer { try? FileManager.default.removeItem(atPath: base) }
        try put("raw", out + "/dwi/sub_dwi.nii.gz")
        for mode in [OutputFolder.Mode.fresh, .resume, .force] {
            #expect(
                throws: OutputFolderError.foreign(path: out, example: "dwi", wanted: .fit, record: ".prism-dmri.json")
            ) {
                try write([:], mode: mode)
            }
        }
        #expect(names() == ["dwi/sub_dwi.nii.gz"])
    }

    @Test func aRecordThatLeavesTheFolderIsNone() throws {
        defer { try? FileManager.default.removeItem(atPath: base) }
        try put("precious", base + "/precious")
        for name in ["../precious", "/etc/passwd", "a/../../precious", ".prism-dmri.lock", "", "a//b"] {
            var marker = OutputMarker(by: program, kind: .fit, state: .complete)
            marker.files.updateValue(nil, forKey: name)
            try put("x", out + "/fit.json")
            try marker.write(to: out + "/" + program.marker)
            #expect(OutputMarker(folder: out, of: program) == nil)
            #expect(throws: OutputFolderError.self) { try write(["fit.json": "2"], mode: .force) }
        }
        #expect(FileManager.default.fileExists(atPath: base + "/precious"))
    }

    @Test func changedFilesInputsAndObstaclesStopIt() throws {
        defer { try? FileManager.default.removeItem(atPath: base) }
        try write(["fit.json": "1", "misfit.nii.gz": "1"])
        #expect(throws: OutputFolderError.isInput(path: out + "/misfit.nii.gz")) {
            try write([:], mode: .force, inputs: [out + "/misfit.nii.gz"])
        }
        #expect(throws: OutputFolderError.isInput(path: out)) { try write([:], mode: .force, inputs: [out + "/."]) }
        #expect(throws: OutputFolderError.otherKind(path: out, found: .fit, wanted: .export)) {
            try write([:], kind: .export, mode: .force)
        }
        try put("mine", out + "/dwi/a")
        #expect(throws: OutputFolderError.inTheWay(path: out, name: "dwi/a")) {
            try write(["fit.json": "2", "dwi/a": "2"], mode: .force)
        }
        #expect(text("fit.json") == "1" && text("dwi/a") == "mine")
        try FileManager.default.removeItem(atPath: out + "/" + program.staging)
        try put("longer", out + "/misfit.nii.gz")
        #expect(throws: OutputFolderError.changed(path: out, names: ["misfit.nii.gz"])) { try write([:], mode: .force) }
    }

    @Test func linksAreNotFollowed() throws {
        defer { try? FileManager.default.removeItem(atPath: base) }
        try write(["fit.json": "1", "dwi/a": "1"])
        try FileManager.default.moveItem(atPath: out + "/dwi", toPath: base + "/elsewhere")
        try FileManager.default.createSymbolicLink(atPath: out + "/dwi", withDestinationPath: base + "/elsewhere")
        #expect(throws: OutputFolderError.changed(path: out, names: ["dwi/a"])) {
            try write(["fit.json": "2"], mode: .force)
        }
        #expect(FileManager.default.fileExists(atPath: base + "/elsewhere/a"))
    }

    @Test func anEarlierFitStandsUntilTheNewOneIsWhole() throws {
        defer { try? FileManager.default.removeItem(atPath: base) }
        try write(["fit.json": "1", "posterior-00000.safetensors": "1", "dwi/a": "1"])
        let folder = try OutputFolder(out, by: program, kind: .fit, mode: .force, canResume: true, inputs: [])
        try folder.begin()
        #expect(folder.work == folder.staging)
        try put("2", folder.work + "/posterior-00000.safetensors")
        try put("2", folder.staging + "/dwi/a")
        folder.abandon()
        #expect(
            folder.keepsWork && text("fit.json") == "1" && text("posterior-00000.safetensors") == "1"
                && text("dwi/a") == "1")
        // --resume goes on with the new one and puts it in place.
        let again = try OutputFolder(out, by: program, kind: .fit, mode: .resume, canResume: true, inputs: [])
        try again.begin()
        #expect(FileManager.default.contents(atPath: again.work + "/posterior-00000.safetensors") == Data("2".utf8))
        for name in ["fit.json", "dwi/a"] { try put("2", again.staging + "/" + name) }
        try again.finish()
        #expect(names().allSatisfy { text($0) == "2" } && names().count == 3)
        #expect(FileEntry(again.staging) == nil)
    }

    @Test func aFreshFitKeepsItsPosteriorOnly() throws {
        defer { try? FileManager.default.removeItem(atPath: base) }
        let folder = try OutputFolder(out, by: program, kind: .fit, mode: .fresh, canResume: true, inputs: [])
        try folder.begin()
        #expect(folder.work == folder.path)
        try put("1", folder.work + "/posterior-00000.safetensors")
        try put("1", folder.work + "/.posterior-00001.safetensors.77.partial")
        try put("1", folder.staging + "/dwi/a")
        folder.abandon()
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: out).sorted() == [
                program.marker, "posterior-00000.safetensors",
            ])
        #expect(throws: OutputFolderError.exists(path: out, kind: .fit, isComplete: false, canResume: true)) {
            try write([:])
        }
        try write(["fit.json": "2"], mode: .resume)
        #expect(names() == ["fit.json", "posterior-00000.safetensors"])
        try write(["fit.json": "3"], mode: .force)
        #expect(names() == ["fit.json"])
    }

    @Test func nothingIsLeftOfARunThatWroteNothing() throws {
        defer { try? FileManager.default.removeItem(atPath: base) }
        let folder = try OutputFolder(base + "/x/y/z", by: program, kind: .export, mode: .fresh, inputs: [])
        try folder.begin()
        try put("1", folder.staging + "/a")
        folder.abandon()
        #expect(try FileManager.default.contentsOfDirectory(atPath: base).isEmpty)
    }

    @Test func aFolderIsTakenByOneRun() throws {
        defer { try? FileManager.default.removeItem(atPath: base) }
        let one = try OutputFolder(out, by: program, kind: .maps, mode: .fresh, inputs: []),
            two = try OutputFolder(out, by: program, kind: .maps, mode: .fresh, inputs: [])
        try one.begin()
        #expect(throws: OutputFolderError.taken(path: out)) { try two.begin() }
        #expect(throws: OutputFolderError.taken(path: out)) {
            try OutputFolder(out, by: program, kind: .maps, mode: .fresh, inputs: [])
        }
        try put("1", one.staging + "/fit.json")
        try one.finish()
        #expect(throws: OutputFolderError.exists(path: out, kind: .maps, isComplete: true, canResume: false)) {
            try two.begin()
        }
    }

    /// A run killed between its moves leaves the rest to the next one.
    @Test func anInstallationIsCompletedLater() throws {
        defer { try? FileManager.default.removeItem(atPath: base) }
        try write(["fit.json": "1", "a": "1", "dwi/x": "1", "dwi/y": "1", "mrtrix/p": "1"])
        let staging = out + "/" + program.staging
        // As it is after fit.json went and dwi came: a and mrtrix, the removal of what is old, and fit.json are to
        // come.
        try FileManager.default.removeItem(atPath: out + "/fit.json")
        try FileManager.default.removeItem(atPath: out + "/dwi/y")
        try put("2", out + "/dwi/x")
        var after = OutputMarker(by: program, kind: .fit, state: .complete),
            between = OutputMarker(by: program, kind: .fit, state: .installing)
        for name in ["fit.json", "a", "dwi/x"] { after.files.updateValue(nil, forKey: name) }
        for name in ["fit.json", "a", "dwi/x", "dwi/y", "mrtrix/p"] { between.files.updateValue(nil, forKey: name) }
        try put("2", staging + "/a")
        try put("2", staging + "/fit.json")
        try after.write(to: staging + "/final.json")
        try OutputMarker(by: program, kind: .fit, state: .unfinished).write(to: staging + "/" + program.marker)
        try between.write(to: out + "/" + program.marker)
        let folder = try OutputFolder(out, by: program, kind: .fit, mode: .resume, canResume: true, inputs: [])
        try folder.begin()
        #expect(names() == ["a", "dwi/x", "fit.json"] && names().allSatisfy { text($0) == "2" })
        #expect(OutputMarker(folder: out, of: program) == after)
        folder.abandon()
        #expect(names() == ["a", "dwi/x", "fit.json"])
    }

    @Test func leftoversOfKilledRunsAreTheOnlyOnesRemoved() throws {
        defer { try? FileManager.default.removeItem(atPath: base) }
        for name in [
            ".r.html.abc1.partial", ".r.html.held2.partial", ".r.html.UPPER.partial", ".other.html.abc.partial",
            "r.html",
        ] { try put("", base + "/" + name) }
        let held = open(base + "/.r.html.held2.partial", O_RDWR)
        defer { close(held) }
        flock(held, LOCK_EX)
        Leftovers.remove(of: base + "/r.html")
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: base).sorted() == [
                ".other.html.abc.partial", ".r.html.UPPER.partial", ".r.html.held2.partial", "r.html",
            ])
    }
}
