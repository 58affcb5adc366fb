// kubectl, from its published modules: no binary has to be downloaded and trusted.
// The same few lines as in kubernetes/cmd/kubectl/kubectl.go, which the module k8s.io/kubectl leaves out.
package main

import (
	_ "k8s.io/client-go/plugin/pkg/client/auth"
	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
)

func main() {
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
}
