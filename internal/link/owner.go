package link

import (
	"bytes"
	"fmt"
	"path"

	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/sys/user"

	"github.com/stoker-build/stoker/internal/layers"
)

// Owner is a user and a group.
type Owner struct{ UID, GID int }

// String is how --chown has it.
func (o Owner) String() string { return fmt.Sprintf("%d:%d", o.UID, o.GID) }

// ownerOf is whom copied files belong to, and whether that is said by a name.
func ownerOf(chown *pb.ChownOpt, t *Tree) (o Owner, named bool, why string) {
	if name := chown.GetUser().GetByName(); name != nil {
		named = true
		users, why := namesOf(t, layers.PasswdFile, func(text []byte) (found []Owner, err error) {
			users, err := user.ParsePasswdFilter(bytes.NewReader(text), func(u user.User) bool { return u.Name == name.Name })
			for _, u := range users {
				found = append(found, Owner{u.Uid, u.Gid})
			}
			return found, err
		})
		if why == "" && users == nil {
			why = fmt.Sprintf("the base image has no user %s", name.Name)
		}
		if why != "" {
			return o, true, why
		}
		o = *users
	} else if u := chown.GetUser(); u != nil {
		o = Owner{int(u.GetByID()), int(u.GetByID())}
	}
	if name := chown.GetGroup().GetByName(); name != nil {
		named = true
		groups, why := namesOf(t, layers.GroupFile, func(text []byte) (found []Owner, err error) {
			groups, err := user.ParseGroupFilter(bytes.NewReader(text), func(g user.Group) bool { return g.Name == name.Name })
			for _, g := range groups {
				found = append(found, Owner{GID: g.Gid})
			}
			return found, err
		})
		if why == "" && groups == nil {
			why = fmt.Sprintf("the base image has no group %s", name.Name)
		}
		if why != "" {
			return o, true, why
		}
		o.GID = groups.GID
	} else if g := chown.GetGroup(); g != nil {
		o.GID = int(g.GetByID())
	}
	return o, named, ""
}

// namesOf returns the first that is found in a file of users or groups; nil for none.
func namesOf(t *Tree, file string, find func([]byte) ([]Owner, error)) (*Owner, string) {
	text := t.get(file).text
	if t.get(path.Dir(file)).may != directory || text == nil {
		return nil, fmt.Sprintf("%s of the base image is not known", file)
	}
	found, err := find(text)
	if err != nil {
		return nil, fmt.Sprintf("%s of the base image cannot be read: %s", file, err)
	}
	if len(found) == 0 {
		return nil, ""
	}
	return &found[0], ""
}
