import Foundation
import PackagePlugin

/// Writes the commit of the checkout into a source file, before every build: what Package.swift itself asks of git is
/// kept by SwiftPM for as long as its text is the same, and would name an old one.
@main struct NameCommit: BuildToolPlugin {
    /// The file is written anew only where it changes, so that nothing is compiled again.
    private static let script = """
        commit=$(git -C "$0" rev-parse --short=12 HEAD 2>/dev/null) || commit=""
        [ -z "$commit" ] || [ -z "$(git -C "$0" status --porcelain -uno 2>/dev/null)" ] || commit="$commit+"
        text="let sourceCommit = \\"$commit\\""
        [ "$(cat "$1/commit.swift" 2>/dev/null)" = "$text" ] || printf '%s\\n' "$text" > "$1/commit.swift"
        """

    func createBuildCommands(context: PluginContext, target: Target) throws -> [Command] {
        let folder = context.pluginWorkDirectoryURL
        return [
            .prebuildCommand(
                displayName: "Naming the commit", executable: URL(fileURLWithPath: "/bin/sh"),
                arguments: ["-c", Self.script, context.package.directoryURL.path, folder.path],
                outputFilesDirectory: folder)
        ]
    }
}
